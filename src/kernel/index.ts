export { amountOf, type Book, carvedOf } from './budgets/book.ts'
export { budgetCategory, budgetName, carve, type Definition, giveBack } from './budgets/definitions.ts'
export { limitsOf, lineOf, unpriced } from './budgets/definitions.ts'
export { type CallReference, callReference, describeCall, maxLoadedTools } from './calls/call-reference.ts'
export { explain, maxInputBytes, type Registry, type SectionAgent } from './calls/registry.ts'
export { carriesConversation, createConversations, historyPage, historyPages, maxForkDepth, toItem } from './conversation/conversations.ts'
export { changesScratchpad, createScratchpads } from './conversation/scratchpads.ts'
export { maxBytesPerToken, speakerAndText } from './conversation/summaries.ts'
export { describedServiceCalls } from './hold-services.ts'
export type { ForeignCall, ForeignCalls, ForeignEnd, ForeignRun, ForeignTool, Kernel, OfferedCalls } from './kernel-interface.ts'
export type { KernelOptions } from './kernel-parts.ts'
export { createKernel, describedKernelCalls } from './kernel.ts'
export { allows, delegableOf, type Entries, lost, meet, modelRight, passedOn, secretRight } from './policy/attenuation.ts'
export {
  clientAsk,
  clientReply,
  decideFlow,
  type FlowDecisions,
  flowMatter,
  type FlowVerdict,
  freeFlow,
  historyOf,
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
} from './policy/policy.ts'
export {
  type AgentProfile,
  characterProblem,
  type CharacterProfile,
  type DefinedProfile,
  type Handoff,
  type Handoffs,
  profileCategory,
} from './policy/profiles.ts'
export { type AskOptions, realPath, realPlace, workspacePath, refuseLimited, writtenPaths } from './policy/right-limits.ts'
export { describeEvent, type FindCall, mayBeEvent, ownFamilies } from './records/event-kinds.ts'
export { type Events, followedPhases, type KernelEvent, type PastDelivery } from './records/events.ts'
export { type Entry, type Journal } from './records/journal.ts'
export {
  type CallOf,
  describeSession,
  type FileFlow,
  type FileGuard,
  firstLine,
  maxSessionsRead,
  maxTitleLength,
  type OpenedFlow,
  type Sessions,
  sessionsOf,
} from './records/sessions.ts'
export {
  type Core,
  type DiskProbe,
  type HealthPart,
  healthParts,
  type Service,
  type UndoChange,
  type UndoPart,
  type UndoRecord,
} from './service.ts'
export type { Answer, Approvals } from './stages/approval-queue.ts'
export { answerOf, type ApprovalDeps, type Decided, neededApprovals } from './stages/approval.ts'
export { type Budgets } from './stages/budgets.ts'
export { assertNoBranch, type BranchBy, type FileChanges, type FileCopies, type NewBranch } from './stages/call-files.ts'
export { type Cleaner, maxResultBytes } from './stages/cleaning.ts'
export type { Coming, HookedCall, HookedPassing, KernelHooks } from './stages/coming.ts'
export { boundDigest, inputsDigest, partsOf, readInputs, stateChange } from './stages/command-inputs.ts'
export type { Gate } from './stages/gate.ts'
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
export { cancelledOutcome, type Refusal, refusal, refusalText, replay } from './stages/refusals.ts'
export { optionsOf, type RunningCall, type RunningCalls, stopReason } from './stages/running-calls.ts'
export { decodeBase64 } from './state/attachments.ts'
export { documentBody, type DocumentChange, documentChanges, documentsField, type Documents } from './state/documents.ts'
export { type AgentDeps, createRunningTurns, type RunningTurns } from './turns/agent.ts'
export type { Background } from './turns/background.ts'
export type { Lanes, LaneTurn } from './turns/lanes-interface.ts'
export { toolTiers } from './turns/client-calls.ts'
export { giveUpCalls } from './turns/recovery.ts'
export { type AskRuns, isBelow, readStarted, type ServiceRuns, sessionsOfRun } from './turns/service-runs.ts'
export type { StartTurn } from './turns/start-turn.ts'
export { sessionId } from './turns/turn-calls.ts'
