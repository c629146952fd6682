/** What terminal programs share: hostile text made safe, formats, a turn as a fold over its records, and text in the order of records. */
export { agentGoal, type AgentLine, agentSpent, agentState, agentTree } from './agent-tree.ts'
export { inRecordOrder } from './record-order.ts'
export {
  exactInput,
  exactText,
  formatBytes,
  formatMoney,
  formatMs,
  formatTime,
  plainLine,
  plainText,
  shortId,
  table,
  whyAsked,
  writtenOut,
} from './terminal-text.ts'
export {
  answered,
  commandCall,
  formOf,
  formText,
  isNoCommand,
  type OwnCommand,
  ownCommands,
  pairsIn,
  promptCall,
  type QuestionForm,
} from './question-form.ts'
export {
  badgeText,
  costLines,
  describeModel,
  describeSandbox,
  isOffline,
  type LabelBadge,
  labelBadges,
  modeBadge,
  statusRows,
} from './status-text.ts'
export {
  type CallView,
  foldRecord,
  isDecided,
  isEnd,
  isOver,
  isToolCall,
  mediaIn,
  mediaLine,
  newTurnView,
  pendingOf,
  sentMedia,
  type SentMedia,
  type TurnView,
  unreportedFailure,
} from './turn-view.ts'
