/** `oxbow resources`: what the machine and the guest use. */
import { formatTime, table } from '../../terminal/index.ts'
import type { ServiceVerb } from '../../protocol/index.ts'
import type { ResourceView } from './now-calls.ts'

export const resourceVerbs: readonly ServiceVerb[] = [
  {
    words: 'resources',
    summary: 'show what the machine and the guest use',
    examples: ['oxbow resources', 'oxbow resources --history 10'],
    call: 'resources.show',
    typed: { '--history <n>': { field: 'history', help: 'also show this many earlier samples' } },
    show({ now, overloads, history }: ResourceView) {
      const rows = [
        ['processor', `${now.cpu_percent} %`, `guest ${now.guest_cpu_percent} % of one`],
        ['memory', `${now.memory_used_mb} of ${now.memory_total_mb} MB`, `guest ${now.guest_memory_mb} MB`],
        ['load', `${now.load_1m}`, ''],
        ['disk', `${now.disk_used_percent} %`, `${now.disk_free_mb} MB free`],
        ['event loop', `${now.loop_delay_ms} ms late`, `${now.open_files} open files`],
      ]
      const before = history.map((sample) => [
        formatTime(sample.at),
        `${sample.cpu_percent} %`,
        `${sample.memory_used_mb} MB`,
        `load ${sample.load_1m}`,
        `guest ${sample.guest_memory_mb} MB`,
      ])
      const overload = overloads.length === 0 ? '' : `\nOverloaded, no new agents start: ${overloads.join('; ')}`
      return `${table(rows)}${overload}${before.length === 0 ? '' : `\n\n${table(before)}`}`
    },
  },
]
