/** The kernel's own calls, all of them: about sessions and turns, the system, and the model. */
import type { Call } from '../../types/index.ts'
import { type EmbedCallDeps, embedCall } from '../models/embed-call.ts'
import { completeCall } from '../models/complete-call.ts'
import { type KeptFileCallDeps, keptFileCalls } from './kept-file-calls.ts'
import { type ModelCallDeps, modelCalls } from '../models/model-calls.ts'
import { type ScratchpadCallDeps, scratchpadCalls } from './scratchpad-calls.ts'
import { type SessionCallDeps, sessionCalls } from './session-calls.ts'
import { type SessionKeepingDeps, sessionKeepingCalls } from './session-keeping-calls.ts'
import { type SummaryCallDeps, summaryCalls } from './summary-calls.ts'
import { type TitleCallDeps, titleCall } from './title-call.ts'
import { type TidyCallDeps, tidyCalls } from './tidy-calls.ts'
import { type SystemCallDeps, systemCalls } from './system-calls.ts'

export type KernelCallDeps = SystemCallDeps &
  SessionCallDeps &
  ModelCallDeps &
  EmbedCallDeps &
  KeptFileCallDeps &
  ScratchpadCallDeps &
  SummaryCallDeps &
  SessionKeepingDeps &
  TidyCallDeps &
  TitleCallDeps

export function kernelCalls(deps: KernelCallDeps): readonly Call[] {
  return [
    ...systemCalls(deps),
    ...sessionCalls(deps),
    ...sessionKeepingCalls(deps),
    ...modelCalls(deps),
    completeCall(deps),
    embedCall(deps),
    ...keptFileCalls(deps),
    ...scratchpadCalls(deps),
    ...summaryCalls(deps),
    ...tidyCalls(deps),
    titleCall(deps),
  ]
}
