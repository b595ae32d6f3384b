/** From a Vega-Lite specification to SVG. Nothing is fetched: data must be inline. */

import * as vega from 'vega';
import { compile } from 'vega-lite';

/** Renders a chart; gives the SVG and how many marks it shows. */
export async function renderChart({ spec, width, height }) {
  const sized = { ...spec, ...(width && { width }), ...(height && { height }) };
  const { spec: compiled } = compile(sized, { logger: quiet() });
  const { loader, refused } = offline();
  const options = { renderer: 'none', loader, logger: quiet() };
  const view = new vega.View(vega.parse(compiled), options);
  try {
    await view.runAsync();
    if (refused.length > 0) throw refused[0];
    return { svg: await view.toSVG(), marks: countMarks(view.scenegraph().root) };
  } finally {
    view.finalize();
  }
}

/** A loader that sanitizes links and refuses to fetch anything; a view swallows its errors. */
function offline() {
  const refused = [];
  const refuse = async (uri) => {
    refused.push(new Error(`nothing is fetched, give the data inline instead of ${String(uri)}`));
    throw refused[0];
  };
  return { refused, loader: { ...vega.loader(), load: refuse, http: refuse, file: refuse } };
}

/** A logger that keeps warnings off stdout and raises errors. */
function quiet() {
  const logger = vega.logger(vega.Error);
  logger.error = (...parts) => {
    throw new Error(parts.map(String).join(' '));
  };
  return logger;
}

/** Counts the items of data marks, axes and legends left out. */
function countMarks(item) {
  const children = item.items ?? [];
  if (item.role === 'mark' && item.marktype !== 'group') return children.length;
  if (item.role?.startsWith('axis') || item.role?.startsWith('legend')) return 0;
  return children.reduce((sum, child) => sum + countMarks(child), 0);
}
