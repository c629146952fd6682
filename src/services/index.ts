/** The services of a guest, in the order in which their calls are listed. A new one is its folder and a line here. */
import type { Service } from '../kernel/index.ts'
import { agents } from './agents/service.ts'
import { audit } from './audit/service.ts'
import { extract } from './extract/service.ts'
import { graphs } from './graphs/service.ts'
import { published } from './published/service.ts'
import { schedules } from './schedules/service.ts'
import { settings } from './settings/service.ts'

export const services: readonly Service[] = [agents, graphs, extract, audit, published, schedules, settings]

/** See `input-schemas.ts`, which is loaded only where somebody types a verb of a service. */
export const loadInputSchemas = (): Promise<typeof import('./input-schemas.ts')> => import('./input-schemas.ts')
