/**
 * What a person can answer when they see what an undo would do: the same at the command line, in both chats and in the page. An answer is bound
 * to the digest of what was seen. Where something was changed since, it is kept or overwritten; what would be overwritten is shown first.
 */
import type { InputOf, OutputOf } from '../protocol/index.ts'
import type { JsonObject } from '../base/index.ts'
import { formatTime, plainLine } from './terminal-text.ts'

/** The input of a preview, or of the undo that an answer makes. */
export type UndoInput = InputOf<'version.undo'>

/** What is read of a preview. */
type SeenUndo = Pick<OutputOf<'version.undo'>, 'turn' | 'digest' | 'total'> & { readonly conflicts: readonly unknown[] }

export interface UndoAnswer {
  /** Typed for it: its first letter is enough. */
  readonly word: 'yes' | 'keep' | 'overwrite'
  /** On a button. */
  readonly label: string
  /** After the key that gives it: `k keeps later changes`. */
  readonly does: string
  /** Of `version.undo`: without `apply` it is another preview, with a question of its own. */
  readonly input: UndoInput & JsonObject
}

export interface UndoQuestion {
  readonly text: string
  /** Next to “no”. */
  readonly answers: readonly UndoAnswer[]
}

/** @param asked the input of the preview */
export function undoQuestion(asked: UndoInput, { turn, digest, total, conflicts }: SeenUndo): UndoQuestion {
  const verb = asked.redo === true ? 'Bring this back' : 'Undo this'
  // Named, since another turn may be the newest by then.
  const again = { turn, redo: asked.redo ?? false }
  const how = asked.conflicts ?? 'stop'
  if (how !== 'stop' || conflicts.length === 0) {
    const does = asked.redo === true ? 'brings it back' : 'undoes it'
    return { text: `${verb}?`, answers: [{ word: 'yes', label: verb, does, input: { ...again, conflicts: how, apply: true, digest } }] }
  }
  const keep: UndoAnswer = {
    word: 'keep',
    label: 'Keep later changes',
    does: 'keeps later changes, takes back the rest',
    input: { ...again, conflicts: 'keep_later', apply: true, digest },
  }
  const overwrite: UndoAnswer = {
    word: 'overwrite',
    label: 'Overwrite them …',
    does: 'overwrites them, and shows that first',
    input: { ...again, conflicts: 'overwrite' },
  }
  return { text: `${verb}, although something was changed since?`, answers: total === 0 ? [overwrite] : [keep, overwrite] }
}

/** @returns undefined: it is not one of the answers, so it means no */
export function typedAnswer<Answer extends { readonly word: string }>(answers: readonly Answer[], typed: string): Answer | undefined {
  const said = typed.trim().toLowerCase()
  return answers.find(({ word }) => said === word || said === word[0])
}

/** @returns a line such as `k keeps … · o shows …` */
export function undoKeys({ answers }: UndoQuestion): string {
  return answers.map(({ word, does }) => `${word[0]} ${does}`).join(' · ')
}

/** @returns a row of the table of turns and undos */
export function undoRow({ turn, at, author, subject, undone }: OutputOf<'version.turns'>['turns'][number]): readonly string[] {
  return [turn, formatTime(at), plainLine(author, 30), plainLine(`${subject}${undone ? ' (undone)' : ''}`, 100)]
}

/** @returns the command by which a person makes up for what an undo does not take back */
export function compensationCommand({ call, input }: { readonly call: string; readonly input: unknown }): string {
  // Nothing in it ends the quotes of a shell.
  return plainLine(`oxbow call ${call} '${JSON.stringify(input).replaceAll("'", "'\\''")}'`, maxCommandChars)
}

const maxCommandChars = 2_000

/** Under what was done. @param command writes a command as it is typed */
export function wayBack(isRedo: boolean, command: (words: string) => string): string {
  return isRedo ? `${command('undo')} takes it back again.` : `${command('redo')} brings it back.`
}
