/**
 * Memories of eighteen people: some 24 notes each, and some 33 messages with the notes that each of them needs, perhaps none. Those in `held-out`
 * judge; nothing is chosen by them.
 *
 * A file begins with a line about the person. `>id text` was said to the assistant, `+id text` is a note that it saved, older ones first.
 * `? class | text | ids` is asked in a session of its own, and `~` in one with the `~` lines before it. Ids in parentheses help as well, but
 * need not be there.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'

export const messageClasses = ['direct', 'reworded', 'alias', 'typo', 'changed', 'task', 'two', 'drift', 'near', 'none'] as const

export interface NotebookNote {
  readonly id: string
  readonly text: string
  readonly kind: 'message' | 'note'
}

export interface NotebookMessage {
  /** `near`: needs nothing, but something in memory is like it. `changed`: what was told before no longer holds. */
  readonly what: (typeof messageClasses)[number]
  readonly text: string
  /** Ids of the notes that it needs. */
  readonly needs: readonly string[]
  /** And of those that may be there. */
  readonly allows: readonly string[]
}

export interface Notebook {
  readonly name: string
  readonly notes: readonly NotebookNote[]
  readonly asked: readonly NotebookMessage[]
  /** Messages of one session. */
  readonly talk: readonly NotebookMessage[]
}

export type NotebookHalf = 'tune' | 'held-out'

export function readNotebooks(half: NotebookHalf): readonly Notebook[] {
  const folder = new URL(`./${half}/`, import.meta.url)
  const names = readdirSync(folder).sort()
  return names.map((file) => parse(file.replace(/\.txt$/, ''), readFileSync(new URL(file, folder), 'utf8')))
}

function parse(name: string, text: string): Notebook {
  const notes: NotebookNote[] = []
  const asked: NotebookMessage[] = []
  const talk: NotebookMessage[] = []
  for (const line of text.trimEnd().split('\n').slice(1)) {
    const [mark, rest] = [line.charAt(0), line.slice(1)]
    if (mark === '?') asked.push(messageOf(rest, notes))
    else if (mark === '~') talk.push(messageOf(rest, notes))
    else {
      const [, id, said] = /^(\w+) (.+)$/.exec(rest) ?? []
      assert.ok((mark === '>' || mark === '+') && id !== undefined && said !== undefined, `${name}: ${line}`)
      notes.push({ id, text: said, kind: mark === '>' ? 'message' : 'note' })
    }
  }
  return { name, notes, asked, talk }
}

function messageOf(line: string, notes: readonly NotebookNote[]): NotebookMessage {
  const [kind, text, ids] = line.split('|').map((part) => part.trim())
  const what = messageClasses.find((each) => each === kind)
  assert.ok(what !== undefined && text !== undefined && ids !== undefined, line)
  const [, needed = '', allowed = ''] = /^([^(]*)(?:\((.*)\))?$/.exec(ids) ?? []
  const [needs, allows] = [needed, allowed].map((part) => part.split(' ').filter((id) => id !== '')) as [string[], string[]]
  for (const id of [...needs, ...allows])
    assert.ok(
      notes.some((note) => note.id === id),
      `${line}: ${id}`,
    )
  assert.equal(needs.length === 0, what === 'near' || what === 'none', line)
  return { what, text, needs, allows }
}
