export { decodeBase64 } from './attachments.ts'
export type { Background } from './background.ts'
export { amountOf, type Book, carvedOf } from './budgets/book.ts'
export {
  budgetCategory,
  type BudgetLine,
  budgetLine,
  budgetName,
  carve,
  type Definition,
  giveBack,
  limitAmounts,
  limitFields,
  type Limits,
  limitsSchema,
  scopeSchema,
  windowSchema,
} from './budgets/definitions.ts'
export { limitsOf, lineOf, unpriced } from './budgets/notices.ts'
export { cadence, type Cadence, cadenceText, checkCadence, dueBetween, nextDue } from './cadence.ts'
export { type CallReference, callReference, describeCall, maxLoadedTools } from './call-reference.ts'
export type { Coming, HookedCall, HookedPassing, KernelHooks } from './coming.ts'
export { carriesConversation, historyPage, historyPages, maxForkDepth, toItem } from './conversation/conversations.ts'
export { changesScratchpad } from './conversation/scratchpads.ts'
export { speakerAndText } from './conversation/summaries.ts'
export { type Events, followedPhases, type KernelEvent, type PastDelivery } from './events.ts'
export type { Gate } from './gate.ts'
export { describedServiceCalls } from './hold-services.ts'
export { type Entry, type Journal, rowIn, rowMark } from './journal.ts'
export type { ForeignCall, ForeignCalls, ForeignEnd, ForeignRun, ForeignTool, Kernel, OfferedCalls } from './kernel-interface.ts'
export type { KernelOptions } from './kernel-options.ts'
export { createKernel, describedKernelCalls } from './kernel.ts'
export { describeEvent, type EventFilter, type FindCall, matches, mayBeEvent } from './observe/event-kinds.ts'
export { type HealthPart, healthParts } from './observe/resources.ts'
export { explain, type Registry, type SectionAgent } from './registry.ts'
export { type Core, sectionOf, type Service } from './service.ts'
export {
  type CallOf,
  describeSession,
  type FileFlow,
  fileFlowCategories,
  type FileGuard,
  firstLine,
  type Judged,
  type ListInput,
  maxSessionsRead,
  maxTitleLength,
  type OpenedFlow,
  type Sessions,
  sessionsOf,
} from './sessions.ts'
export type { Answer, Approvals } from './stages/approval-queue.ts'
export { answerOf, type ApprovalDeps, type Decided, neededApprovals } from './stages/approval.ts'
export { allows, delegableOf, type Entries, lost, meet, modelRight, neverPassedOn, passedOn, secretRight } from './stages/attenuation.ts'
export { type Budgets, hourOf, keptHours } from './stages/budgets.ts'
export { assertNoBranch, type BranchBy, type FileChanges, type FileCopies, type NewBranch } from './stages/call-files.ts'
export { type Cleaner, maxResultBytes } from './stages/cleaning.ts'
export { boundDigest, inputsDigest, partsOf, readInputs, stateChange } from './stages/command-inputs.ts'
export {
  type ActsAs,
  type Asking,
  type Excuse,
  type JudgedCall,
  type JudgeDeps,
  type Judges,
  type KnownHosts,
  type MakeCall,
  type RefusedCalls,
  type RefusedPassing,
  stricter,
  whyNeverExcused,
} from './stages/judging.ts'
export {
  clientAsk,
  clientReply,
  decideFlow,
  type FlowDecisions,
  flowMatter,
  type FlowVerdict,
  freeFlow,
  inherited,
  isForPerson,
  isKept,
  joined,
  judgeFlow,
  leadsOutside,
  nothing,
  processRight,
  type Provenance,
  runtimeCaller,
  userCaller,
  verdictOf,
} from './stages/policy.ts'
export { type Refusal, refusal, refusalText } from './stages/refusals.ts'
export { type AskOptions, realPath, realPlace, workspacePath, writtenPaths } from './stages/right-limits.ts'
export { optionsOf, type RunningCall, type RunningCalls, stopReason } from './stages/running-calls.ts'
export { documentBody, type DocumentChange, documentChanges, type Documents } from './state/documents.ts'
export type { RunningTurns } from './turns/agent.ts'
export type { Lanes } from './turns/lanes-interface.ts'
export {
  type AgentProfile,
  characterProblem,
  type CharacterProfile,
  type DefinedProfile,
  type Handoff,
  type Handoffs,
  profileCategory,
} from './turns/profiles.ts'
export { giveUpCalls } from './turns/recovery.ts'
export { type AskRuns, isBelow, readStarted, type ServiceRuns, sessionOfRun } from './turns/service-runs.ts'
export type { StartTurn } from './turns/start-turn.ts'
export { sessionId } from './turns/turn-calls.ts'
