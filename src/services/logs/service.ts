import { sectionOf } from '../../config/index.ts'
import type { Service } from '../../kernel/index.ts'
import type { RecordView } from '../../protocol/index.ts'
import { logsConfig } from './config.ts'

/** What happens, as lines for whoever looks after an installation: made of records, after their commit, and written without waiting. */
export const logs: Service = {
  name: 'logs',
  config: [logsConfig],
  begin({ host, events: { watchers }, config }) {
    const log = host?.log
    if (log === undefined) return async () => {}
    log.settle({ level: sectionOf(logsConfig, config).level })
    const early: RecordView[] = []
    let following: Promise<(() => void) | undefined> | undefined
    const watch = (record: RecordView): void => {
      early.push(record)
      following ??= import('./record-lines.ts').then(
        ({ follow }) => (watchers.delete(watch), follow(watchers, log, early)),
        () => undefined,
      )
    }
    watchers.add(watch)
    return async () => {
      watchers.delete(watch)
      ;(await following)?.()
    }
  },
  async *health({ host }) {
    yield (await import('./record-lines.ts')).logHealth(host?.log?.problem() ?? '')
  },
}
