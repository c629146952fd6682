/** The services of a guest, in the order in which their calls are listed. A new one is its folder and a line here. */
import type { Service } from '../kernel/index.ts'
import { runs } from '../runs/index.ts'
import type { Call } from '../protocol/index.ts'
import { access } from './access/service.ts'
import { agents } from './agents/service.ts'
import { audit } from './audit/service.ts'
import { budgets } from './budgets/service.ts'
import { extract } from './extract/service.ts'
import { flow } from './flow/service.ts'
import { graphs } from './graphs/service.ts'
import { models } from './models/service.ts'
import { observe } from './observe/service.ts'
import { published } from './published/service.ts'
import { schedules } from './schedules/service.ts'
import { secrets } from './secrets/service.ts'
import { sessions } from './sessions/service.ts'
import { settings } from './settings/service.ts'
import { state } from './state/service.ts'
import { system } from './system/service.ts'
import { upkeep } from './upkeep/service.ts'
import { versions } from './versions/service.ts'

export const services: readonly Service[] = [
  runs,
  versions,
  sessions,
  system,
  upkeep,
  state,
  observe,
  secrets,
  models,
  budgets,
  flow,
  agents,
  graphs,
  access,
  audit,
  extract,
  schedules,
  published,
  settings,
]

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
