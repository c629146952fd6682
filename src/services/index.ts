/** The public API of `services`: the list, the configuration with their sections, and what few others ask. */
import { type Config, sectionOf } from '../config/index.ts'
import type { Call } from '../protocol/index.ts'
import type { OpeningStore } from '../store/index.ts'
import type { TakeoverOptions, TookOver } from './versions/take-over-files.ts'

export { services } from './list.ts'
export { configSchema, parseConfig } from './config-schema.ts'

/** @returns the calls of hooks of plugins, for documentation */
export const describedHookCalls = async (): Promise<readonly Call[]> => [(await import('./plugins/hooks/hook-approval.ts')).hookAskCall()]

/** See `input-schemas.ts`, which is loaded only where somebody types a verb of a service. */
export const loadInputSchemas = (): Promise<typeof import('./input-schemas.ts')> => import('./input-schemas.ts')
/** Loaded when a journal is checked: what it reads is no part of a start. */
export const verifyJournal: (typeof import('./audit/audit-verify.ts'))['verifyJournal'] = async (store, options) =>
  (await import('./audit/audit-verify.ts')).verifyJournal(store, options)
/** @returns keys to which the files give another value than a guest has taken up last */
export const differingKeys: (typeof import('./settings/taken-config.ts'))['differingKeys'] = async (...of) =>
  (await import('./settings/taken-config.ts')).differingKeys(...of)
export type { PluginSource } from './plugins/coming-plugins.ts'
export { pluginService } from './plugins/service.ts'
export { type OpenSource, type ProgramHost, type Source, sourceService } from './sources/service.ts'
export { collectorAddresses, collectorVariables } from './telemetry/service.ts'
/** Loaded when traces of a journal are exported. */
export const exportTraces: (typeof import('./telemetry/export-traces.ts'))['exportTraces'] = async function* (store, options) {
  yield* (await import('./telemetry/export-traces.ts')).exportTraces(store, options)
}
/** Loaded in a cluster alone, before its guest runs anything. @returns null where the files stay on this machine */
export const takeOverFiles = async (
  place: Omit<TakeoverOptions, 'config' | 'place' | 'held'> & { readonly config: Config; readonly store: OpeningStore },
): Promise<TookOver | null> => {
  const { store, config, ...rest } = place
  if (store.files === undefined) return null
  const { takeOverFiles: take } = await import('./versions/take-over-files.ts')
  const { versionsConfig } = await import('./versions/config.ts')
  return take({ ...rest, place: store.files, held: store.opened, config: sectionOf(versionsConfig, config) })
}
