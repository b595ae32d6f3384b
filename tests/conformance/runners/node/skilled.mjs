/** Subjects that are objects with several skills. */

const METHODS = { pair: ['first', 'second'], whole: ['handle', 'other'] };

/** Registers them; `count` is told the name of each whose method starts. */
export async function registerSkilled(node, prefix, count) {
  for (const [name, ids] of Object.entries(METHODS)) {
    const method = (ran) => (_input, ctx) => {
      count(name);
      return { ran, skill: ctx.skill ?? null };
    };
    const target = Object.fromEntries(ids.map((id) => [id, method(id)]));
    const skills = Object.fromEntries(ids.map((id) => [id, {}]));
    await node.register({ ...target, skills }, { name: `${prefix}.${name}` });
  }
}
