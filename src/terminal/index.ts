/** What terminal programs share: hostile text made safe, formats, and text in the order of records. */
export { agentGoal, type AgentLine, agentSpent, agentState, agentTree } from './agent-tree.ts'
export * from './deeds.ts'
export { checkText } from './goal-text.ts'
export * from './offer-lines.ts'
export {
  forgetText,
  searchText,
  type ShownForget,
  type ShownHit,
  type ShownStats,
  type ShownWhy,
  statsText,
  whyText,
} from './memory-text.ts'
export {
  commandHelp,
  type Entered,
  isCommand,
  matchCommands,
  readCommand,
  readMessage,
  screenCommands,
  type SlashCommand,
  slashCommands,
} from './slash-commands.ts'
export {
  compensationCommand,
  typedAnswer,
  type UndoAnswer,
  type UndoInput,
  undoKeys,
  type UndoQuestion,
  undoQuestion,
  undoRow,
  wayBack,
} from './undo-answers.ts'
export { inRecordOrder } from './record-order.ts'
export { exactText } from '../base/index.ts'
export {
  exactInput,
  fieldsIn,
  formatBytes,
  formatMoney,
  formatMs,
  formatTime,
  mediaLine,
  plainLine,
  plainText,
  isUsed,
  newestConversation,
  sessionNamed,
  shortId,
  subjectOf,
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
  noticeLine,
  statusRows,
} from './status-text.ts'
