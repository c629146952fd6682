/** `[resources]`, and the keys of `[agents]` that say how many runs start. */
import { configSection, type SectionKinds, type SettingsOf } from '../config/index.ts'

const percent = (by: SectionKinds) => by.number().min(1).max(100)

export const resourcesConfig = configSection('resources', (by) =>
  by.strictObject({
    interval_s: by.number().min(1).max(3_600).default(60).describe('Seconds between samples of what the machine and the guest use.'),
    history: by.int().min(1).max(10_000).default(60).describe('Samples that are kept.'),
    cpu_percent: percent(by).default(90).describe('Processor use from which on the guest is overloaded: no new agents start. 100: never.'),
    memory_percent: percent(by).default(90).describe('Memory use of the machine, likewise.'),
    load_per_processor: by.number().min(0.1).max(1_000).default(4).describe('Load average of a minute for each processor, likewise.'),
    disk_percent: percent(by).default(98).describe('Use of the file system of the workspace, likewise.'),
  }),
)
export type ResourcesConfig = SettingsOf<typeof resourcesConfig>

export const queueConfig = configSection('agents', (by) =>
  by.strictObject({
    max_running: by
      .int()
      .min(1)
      .max(1_000)
      .default(5)
      .describe(
        'Spawned agents, runs of schedules and tasks of programs that run at once; others wait. One that waits for an approval, an agent or a graph does not count.',
      ),
    max_starts_per_minute: by.int().min(1).default(60).describe('Starts of such runs in a minute; others wait.'),
    ageing_s: by.number().min(1).max(86_400).default(60).describe('Seconds of waiting after which a run counts as one priority higher.'),
  }),
)
export type QueueConfig = SettingsOf<typeof queueConfig>
