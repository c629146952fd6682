export type { ForeignCalls, ForeignEnd, ForeignRun, ForeignTool } from './access/foreign-calls.ts'
export { workspacePath, writtenPaths } from './access/right-limits.ts'
export { copyMode } from './access/session-modes.ts'
export { assertNoBranch, type BranchBy, type Branches } from './branches/branches.ts'
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
export { clientTools } from './calls/client-calls.ts'
export { carriesConversation, historyPages, toItem } from './conversation/conversations.ts'
export { changesScratchpad } from './conversation/scratchpads.ts'
export { speakerAndText } from './conversation/summaries.ts'
export { followedPhases, type KernelEvent } from './events.ts'
export type { FileLabels } from './flow/file-labels.ts'
export type { Gate } from './gate.ts'
export { rowIn, rowMark } from './journal.ts'
export type { Kernel, KernelOptions } from './kernel-interface.ts'
export { createKernel, describedKernelCalls } from './kernel.ts'
export { historyPage, maxBytesPerToken, maxForkDepth, maxInputBytes, maxPieces, maxSessionsRead, maxTitleLength } from './limits.ts'
export type { Completion } from './models/side-calls.ts'
export type { EventPage } from './observe/event-bus.ts'
export type { EventFilter } from './observe/event-kinds.ts'
export { type HealthPart, healthParts, type ResourceSample } from './observe/resources.ts'
export type { Registry } from './registry.ts'
export { type Core, describedServiceCalls, sectionOf, type Service } from './service.ts'
export { describeSession, firstLine, type ListInput, type Sessions, sessionsOf } from './sessions.ts'
export type { Approvals } from './stages/approval-queue.ts'
export { allows, delegableOf, type Entries, lost, meet, modelRight, neverPassedOn, passedOn, secretRight } from './stages/attenuation.ts'
export { type Budgets, hourOf, keptHours } from './stages/budgets.ts'
export { inherited, processRight, type Provenance, userCaller } from './stages/policy.ts'
export { optionsOf, type RunningCall, type RunningCalls, stopReason } from './stages/running-calls.ts'
export { documentBody, type DocumentChange, documentChanges, type Documents } from './state/documents.ts'
export { createErasures, type Erasures } from './state/erasures.ts'
export type { RunningTurns } from './turns/agent.ts'
export type { LaneResult, Lanes, Mail, TurnInput, TurnPast } from './turns/lanes-interface.ts'
export { type AgentProfile, characterProblem, type CharacterProfile, type DefinedProfile, profileCategory } from './turns/profile.ts'
export type { Handoff, Handoffs } from './turns/profiles.ts'
export { giveUpCalls } from './turns/recovery.ts'
export { createRepeats, notOpen, repeatsBody, type RepeatsReport } from './turns/repeats.ts'
export type { ServiceRuns } from './turns/service-runs.ts'
export type { StartTurn } from './turns/start-turn.ts'
