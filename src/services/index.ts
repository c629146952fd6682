/** The public API of `services`: the list, the configuration with their sections, and what few others ask. */
import type { Call } from '../protocol/index.ts'

export { services } from './list.ts'
export { configSchema, parseConfig } from './config-schema.ts'

/** @returns the calls of hooks of plugins, for documentation */
export const describedHookCalls = async (): Promise<readonly Call[]> => [(await import('./plugins/hooks/hook-approval.ts')).hookAskCall()]

/** See `input-schemas.ts`, which is loaded only where somebody types a verb of a service. */
export const loadInputSchemas = (): Promise<typeof import('./input-schemas.ts')> => import('./input-schemas.ts')
/** Loaded when a journal is checked: what it reads is no part of a start. */
export const verifyJournal: (typeof import('./audit/audit-verify.ts'))['verifyJournal'] = async (store, options) =>
  (await import('./audit/audit-verify.ts')).verifyJournal(store, options)
export type { PluginSource } from './plugins/coming-plugins.ts'
export { pluginService } from './plugins/service.ts'
export { type OpenSource, type ProgramHost, type Source, sourceService } from './sources/service.ts'
