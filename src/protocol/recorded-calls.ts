/**
 * The names of calls whose records others than the owner read: part of the journal's format, like the records' fields.
 * Whoever describes such a call takes its name from here. The names for turns are in `turn/turn-record.ts`.
 */

/** Begins a session, whose id is the call's id. */
export const newSessionCall = 'session.create'
/** Keeps a summary; its exchange names the epoch from which the summary counts. */
export const summarizeCall = 'session.summarize'
/** A summary that a person asked for. */
export const compactCall = 'session.compact'
/** Takes the messages that were sent while a turn runs; its outcome names them. */
export const inboxCall = 'turn.inbox'
/** Makes a session stricter. */
export const modeCall = 'session.set_mode'
/** These change the labels of a session: they take them off, and bring them back. */
export const declassifyCall = 'flow.declassify'
export const revokeCall = 'flow.revoke'
/** Sends a file to the person; its outcome has the file as `media`. */
export const mediaCall = 'media.send'
/** Shows a page as a picture, which is kept as a file. */
export const pictureCall = 'browser.screenshot'
/** What a person searched in memory is part of what may have to be forgotten. */
export const searchMemoryCall = 'memory.search'
/** What a turn was reminded of. */
export const recallCall = 'memory.recall'
/** Learns from what was just said; its exchanges are steps, as with tidying. */
export const learnCall = 'memory.learn'
/** Requests to models outside a conversation. */
export const completionCall = 'model.complete'
export const embeddingCall = 'model.embed'
export const renameSessionCall = 'session.rename'
export const deleteSessionCall = 'session.delete'
export const archiveSessionCall = 'session.archive'
export const forkSessionCall = 'session.fork'
/** The guest's own title of a session. */
export const titleSessionCall = 'session.title'
/** The calls whose records have the title of a session. */
export const titleCalls: ReadonlySet<string> = new Set([newSessionCall, renameSessionCall, forkSessionCall, titleSessionCall])
/** What plugins are given, and what they tell. */
export const pluginRecords = {
  evaluate: 'plugin.evaluate',
  emit: 'plugin.emit',
  event: 'plugin.event',
  provide: 'plugin.provide',
  task: 'plugin.task',
} as const
/** These name blobs in their outcomes that they do not hold. */
export const putPieceCall = 'attachment.put'
export const readOutputCall = 'output.read'
/** Names what is forgotten later, when the turns that said it have ended. */
export const forgetCall = 'memory.forget'
/** Set and clear the notes of a session, see the projection `scratchpad`. */
export const writeNotesCall = 'scratchpad.write'
export const clearNotesCall = 'scratchpad.clear'
/** Keeps the version of a turn that has ended. */
export const afterTurnCall = 'version.after_turn'
/** Plugins were installed, removed or changed. */
export const syncPluginsCall = 'plugin.sync'
/** A server of tools asks the person; its input is a form. */
export const elicitCall = 'server.elicit'
/** Sends the answer of a published agent to the program that has asked. */
export const taskAnswerCall = 'task.answer'

/** @returns whether outcomes of the call may name pieces of files though their bodies do not list `files` */
export function keepsPieces(name: string): boolean {
  return name === mediaCall || name === pictureCall
}
