export type { ForeignCalls, ForeignEnd, ForeignRun, ForeignTool } from './access/foreign-calls.ts'
export type { Admission, AdmissionState } from './agents/admission.ts'
export { type AgentProfile, profileCategory } from './agents/agent-record.ts'
export { amountOf, type Book, carvedOf } from './budgets/book.ts'
export {
  budgetCategory,
  budgetName,
  carve,
  type Definition,
  giveBack,
  limitFields,
  type Limits,
  limitsSchema,
  scopeSchema,
  windowSchema,
} from './budgets/definitions.ts'
export { type Amounts, type BudgetLine, limitsOf, lineOf } from './budgets/notices.ts'
export { type Cadence, cadence, cadenceText, checkCadence, dueBetween, nextDue } from './cadence.ts'
export { type CallReference, describeCall } from './call-reference.ts'
export { delegableOf, modelRight, passedOn } from './delegation/attenuation.ts'
export type { Kernel, KernelOptions } from './kernel-interface.ts'
export { createKernel, describedKernelCalls } from './kernel.ts'
export type { Completion } from './models/side-calls.ts'
export type { EventPage, NoteEvent } from './observe/event-bus.ts'
export type { EventFilter } from './observe/event-kinds.ts'
export { type HealthPart, healthParts, type ResourceSample } from './observe/resources.ts'
export { type Core, describedServiceCalls, sectionOf, type Service } from './service.ts'
export { changesScratchpad } from './conversation/scratchpads.ts'
export { clientTools } from './calls/client-calls.ts'
export { speakerAndText } from './conversation/summaries.ts'
export { optionsOf } from './stages/running-calls.ts'
export type { LaneResult, Mail, TurnInput, TurnPast } from './turns/lanes-interface.ts'
export { inherited, processRight, userCaller } from './stages/policy.ts'
export { copyMode } from './access/session-modes.ts'
export { followedPhases, type KernelEvent } from './events.ts'
export { historyPage, maxBytesPerToken, maxForkDepth, maxInputBytes, maxPieces, maxSessionsRead, maxTitleLength } from './limits.ts'
export { createErasures, type Erasures } from './state/erasures.ts'
export { createRepeats, notOpen, repeatsBody, type RepeatsReport } from './turns/repeats.ts'
export { carriesConversation, historyPages, toItem } from './conversation/conversations.ts'
export { rowIn, rowMark } from './journal.ts'
export { documentBody, type DocumentChange, documentChanges, type Documents } from './state/documents.ts'
export { describeSession, firstLine, type ListInput, sessionsOf } from './sessions.ts'
export { type Budgets, hourOf, keptHours } from './stages/budgets.ts'
export type { FileLabels } from './flow/file-labels.ts'
export { workspacePath } from './access/right-limits.ts'
