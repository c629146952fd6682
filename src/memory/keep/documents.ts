/** Documents: a text stored under its address in consecutive sections. Ingesting the same text again does nothing; a changed text replaces it. */
import type { MemoryChange, MemoryEntry } from '../../store/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { CallContext, Label, OutputOf } from '../../protocol/index.ts'
import { entryPages, extraOf, freshFacts, makeItems } from './memory-item.ts'
import type { TextFormat } from '../text/text-engine.ts'
import type { KeepDeps } from './exclusive-writer.ts'
import { eraseBatch, listPage, maxDocumentCharacters, sectionCharacters, writeBatch } from './keep-limits.ts'
import { baseImportance } from '../tidy/decay.ts'
import { cleanTags, withoutSecrets } from './note-rules.ts'
import { joinedLabels, originOf } from './provenance.ts'

export interface DocumentText {
  /** Path or URL, e.g. `/shared/docs/plan.md`. */
  readonly address: string
  readonly title: string
  readonly text: string
  readonly format: TextFormat
  readonly tags: readonly string[]
  readonly labels: readonly Label[]
  /** Hash of the file as read: an unchanged file is skipped before conversion. */
  readonly file: string
}

export type Ingested = OutputOf<'memory.ingest'>['documents'][number]

export interface Documents {
  /** @throws OxbowError `limit_reached` for a text that is too long, `bad_input` for one without words */
  put(document: DocumentText, asking: Pick<CallContext, 'id' | 'caller'>): Promise<Ingested>
  /** The stored file hash, tags and labels of this address, or null. */
  known(address: string): Promise<{ readonly file: string; readonly tags: readonly string[]; readonly labels: readonly Label[] } | null>
  remove(address: string): Promise<Ingested>
  /** Addresses that begin with `under`. */
  addresses(under: string): Promise<readonly string[]>
}

export function createDocuments(deps: KeepDeps): Documents {
  const { memory } = deps
  // Of one whose beginning was forgotten: the first section that is left.
  const first = async (address: string): Promise<MemoryEntry | undefined> =>
    (await memory.items([await sectionId(deps, address, 0)]))[0]?.entry ?? (await memory.around(address, 0, 0, 1))[0]?.entry
  return {
    async known(address) {
      const entry = await first(address)
      return entry === undefined ? null : { file: extraOf(entry).file ?? '', tags: entry.tags, labels: entry.labels }
    },
    put: async (document, asking) => putDocument(deps, document, asking, await first(document.address)),
    async remove(address) {
      const entry = await first(address)
      if (entry === undefined) return { address, state: 'missing', sections: 0, characters: 0 }
      const count = extraOf(entry).sections ?? 1
      await erase(deps, (await idsFrom(deps, address, 0, count)).toReversed())
      return { address, state: 'removed', sections: count, characters: 0 }
    },
    async addresses(under) {
      const found = new Set<string>()
      const inside = under.endsWith('/') ? under : `${under}/`
      for await (const page of entryPages(memory, { kinds: ['document'] }, listPage))
        for (const { author } of page) if (author === under || author.startsWith(inside)) found.add(author)
      return [...found].sort()
    },
  }
}

/** @param before the first section as stored */
async function putDocument(
  deps: KeepDeps,
  document: DocumentText,
  asking: Pick<CallContext, 'id' | 'caller'>,
  before: MemoryEntry | undefined,
): Promise<Ingested> {
  const { memory, clock } = deps
  const { address } = document
  const text = withoutSecrets(document.text.normalize('NFC')).trim()
  if (text === '')
    throw new OxbowError('bad_input', `${address} holds no text.`, {
      hint: 'A scan without text can be shown to a model, and a note made of it.',
    })
  if (text.length > maxDocumentCharacters) {
    throw new OxbowError('limit_reached', `${address} has ${text.length} characters; the limit is ${maxDocumentCharacters}.`, {
      hint: 'Ingest parts of it as files of their own.',
    })
  }
  const origin = await originOf(deps, asking)
  const sections = cutSections(text)
  const now = clock.now()
  const facts: Omit<MemoryEntry, 'hash' | 'id' | 'place' | 'extra'> = {
    ...freshFacts,
    kind: 'document',
    type: 'knowledge',
    stream: address,
    author: address,
    tags: cleanTags(document.tags),
    labels: joinedLabels(document.labels, origin.labels),
    createdAt: before?.createdAt ?? now,
    updatedAt: now,
    validFrom: before?.validFrom ?? now,
    importance: baseImportance('knowledge'),
    accessedAt: now,
    seq: origin.seq,
  }
  const extra = JSON.stringify({ ...origin.extra, title: document.title.slice(0, 200), file: document.file, sections: sections.length })
  for (let at = 0; at < sections.length; at += writeBatch) {
    const batch = sections.slice(at, at + writeBatch)
    const drafts = await Promise.all(
      batch.map(async (section, i) => {
        const place = at + i
        const entry = { ...facts, id: await sectionId(deps, address, place), place, extra }
        return { entry, text: section, format: document.format, before: document.title }
      }),
    )
    const items = await makeItems(deps, drafts)
    await memory.change(items.map((item): MemoryChange => ({ change: 'put', item })))
    deps.changed({ put: items.map(({ entry }) => entry) })
  }
  // Surplus sections are removed last: a crash in between leaves too much, never too little.
  await erase(deps, await idsFrom(deps, address, sections.length, before === undefined ? 0 : (extraOf(before).sections ?? 0)))
  return { address, state: before === undefined ? 'new' : 'replaced', sections: sections.length, characters: text.length }
}

async function idsFrom(deps: KeepDeps, address: string, from: number, to: number): Promise<readonly string[]> {
  return Promise.all(Array.from({ length: Math.max(0, to - from) }, (_, i) => sectionId(deps, address, from + i)))
}

async function erase({ memory, changed }: KeepDeps, ids: readonly string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += eraseBatch) {
    const batch = ids.slice(at, at + eraseBatch)
    await memory.change(batch.map((id) => ({ change: 'erase', id })))
    changed({ gone: batch })
  }
}

/** By its address, whatever that holds: an id is short and says nothing. */
async function sectionId({ hash }: KeepDeps, address: string, place: number): Promise<string> {
  return `document:${(await hash())(address).slice(0, 32)}:${place}`
}

/** Cuts at paragraphs where one ends in the last half of a section, else at a line, else between characters. */
export function cutSections(text: string): readonly string[] {
  const sections: string[] = []
  for (let at = 0; at < text.length;) {
    let end = Math.min(text.length, at + sectionCharacters)
    if (end < text.length) {
      const least = at + sectionCharacters / 2
      const paragraph = text.lastIndexOf('\n\n', end)
      const line = text.lastIndexOf('\n', end)
      const space = text.lastIndexOf(' ', end)
      end = [paragraph, line, space].find((place) => place > least) ?? end
      // Never between surrogates.
      if (/[\uD800-\uDBFF]/.test(text[end - 1] ?? '')) end -= 1
    }
    const section = text.slice(at, end)
    if (section.trim() !== '') sections.push(section.replace(/^\n+|\s+$/g, ''))
    at = end
  }
  return sections
}
