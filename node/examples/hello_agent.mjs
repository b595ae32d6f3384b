import { Node } from 'hubless';
import { z } from 'zod';

const node = await Node.start();
await node.agent(
  { name: 'greet', input: z.object({ name: z.string() }) },
  ({ name }) => `hello ${name}`,
);
await node.serve({ untilStdinEnds: true });
