/** The services of a guest, in the order in which their calls are listed. A new one is its folder and a line here. */
import type { Service } from '../kernel/index.ts'
import { runs } from '../runs/index.ts'
import { access } from './access/service.ts'
import { agents } from './agents/service.ts'
import { audit } from './audit/service.ts'
import { budgets } from './budgets/service.ts'
import { channels } from './channels/service.ts'
import { costs } from './costs/service.ts'
import { extract } from './extract/service.ts'
import { flow } from './flow/service.ts'
import { goals } from './goals/service.ts'
import { graphs } from './graphs/service.ts'
import { heartbeat } from './heartbeat/service.ts'
import { learn } from './learn/service.ts'
import { logs } from './logs/service.ts'
import { machine } from './machine/service.ts'
import { models } from './models/service.ts'
import { observe } from './observe/service.ts'
import { programs } from './programs/service.ts'
import { people } from './people/service.ts'
import { plans } from './plans/service.ts'
import { published } from './published/service.ts'
import { replay } from './replay/service.ts'
import { respond } from './respond/service.ts'
import { schedules } from './schedules/service.ts'
import { secrets } from './secrets/service.ts'
import { sessions } from './sessions/service.ts'
import { settings } from './settings/service.ts'
import { spaces } from './spaces/service.ts'
import { state } from './state/service.ts'
import { system } from './system/service.ts'
import { telemetry } from './telemetry/service.ts'
import { upkeep } from './upkeep/service.ts'
import { versions } from './versions/service.ts'
import { voice } from './voice/service.ts'

/** All services of the product. Adding one is its folder and one line here. */
export const services: readonly Service[] = [
  runs,
  versions,
  sessions,
  system,
  upkeep,
  state,
  observe,
  logs,
  telemetry,
  secrets,
  models,
  budgets,
  costs,
  flow,
  agents,
  graphs,
  programs,
  goals,
  heartbeat,
  access,
  people,
  audit,
  extract,
  learn,
  schedules,
  plans,
  published,
  replay,
  respond,
  spaces,
  settings,
  voice,
  channels,
  machine,
]
