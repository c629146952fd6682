/** `[logs]`: what the files in `logs/` of a workspace have. */
import { configSection } from '../../config/index.ts'

export const logsConfig = configSection('logs', (by) =>
  by.strictObject({
    level: by
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
      .default('info')
      .describe('Least urgent lines that are written; `info` is a few for each turn.'),
  }),
)
