export type { ForeignCalls, ForeignEnd, ForeignRun, ForeignTool } from './access/foreign-calls.ts'
export { writtenPaths } from './access/right-limits.ts'
export { type AuditReport, verifyJournal } from './audit/audit-verify.ts'
export { repeatsBody } from './audit/repeats.ts'
export { assertNoBranch, type BranchBy, type Branches } from './branches/branches.ts'
export { carvedOf } from './budgets/book.ts'
export {
  budgetCategory,
  budgetName,
  carve,
  type Definition,
  giveBack,
  limitFields,
  type Limits,
  limitsSchema,
} from './budgets/definitions.ts'
export { type Amounts, limitsOf } from './budgets/notices.ts'
export { type Cadence, cadence, cadenceText, checkCadence, dueBetween, nextDue } from './cadence.ts'
export { type CallReference, describeCall } from './call-reference.ts'
export type { KernelEvent } from './events.ts'
export type { Gate } from './gate.ts'
export type { Kernel, KernelOptions } from './kernel-interface.ts'
export { createKernel, describedKernelCalls } from './kernel.ts'
export type { Completion } from './models/side-calls.ts'
export type { NoteEvent } from './observe/event-bus.ts'
export type { Registry } from './registry.ts'
export { type Core, describedServiceCalls, sectionOf, type Service } from './service.ts'
export type { Sessions } from './sessions.ts'
export type { Approvals } from './stages/approval-queue.ts'
export { allows, delegableOf, type Entries, lost, meet, modelRight, neverPassedOn, passedOn, secretRight } from './stages/attenuation.ts'
export type { Budgets } from './stages/budgets.ts'
export { processRight, type Provenance, userCaller } from './stages/policy.ts'
export { type RunningCall, type RunningCalls, stopReason } from './stages/running-calls.ts'
export type { DocumentChange, Documents } from './state/documents.ts'
export { type Admission, type AdmissionState, priorities, type Priority } from './turns/admission.ts'
export type { RunningTurns } from './turns/agent.ts'
export type { Lanes } from './turns/lanes-interface.ts'
export { type AgentProfile, characterProblem, type CharacterProfile, type DefinedProfile, profileCategory } from './turns/profile.ts'
export type { Handoff, Handoffs } from './turns/profiles.ts'
export { giveUpCalls } from './turns/recovery.ts'
export type { ServiceRuns } from './turns/service-runs.ts'
export type { StartTurn } from './turns/start-turn.ts'
