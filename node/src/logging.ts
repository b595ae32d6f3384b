/** From the core's log records to the host's own logger. Tested by `test/logging.test.mjs`. */

import { messageOf } from './errors.js';
import type { Logger } from './options.js';
import { EVENT, type Session } from './session.js';

/** Hands every log record to `logger`; one that throws is warned about once and left alone. */
export function listenForLogs(session: Session, logger: Logger): void {
  let broken = false;
  session.on(EVENT.log, (_id, record: LogRecord) => {
    if (broken) return;
    try {
      const level = record.level === 'trace' ? 'debug' : record.level;
      logger[level]({ ...record.fields, target: record.target }, record.message);
    } catch (error) {
      broken = true;
      process.emitWarning(`the logger failed: ${messageOf(error)}`, 'HublessWarning');
    }
  });
}

interface LogRecord {
  level: 'error' | 'warn' | 'info' | 'debug' | 'trace';
  target: string;
  message: string;
  fields?: Record<string, unknown>;
}
