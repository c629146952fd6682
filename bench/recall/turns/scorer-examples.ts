/**
 * Messages from which the scorer of turns learns: what is found for each, and which of it the message needs. From the notebooks and halves
 * that are for choosing, alone and behind a long past; and the same questions misspelled, which need the same, and about somebody else,
 * which need nothing.
 */
import { createLocalTextEngine, type TextEngine } from '../../../src/memory/index.ts'
import { createRecall } from '../../../src/memory/recall/create-recall.ts'
import type { Recall } from '../../../src/memory/recall/recalled.ts'
import { featuresOf } from '../../../src/memory/recall/turn-scorer.ts'
import { namesInside } from '../../../src/memory/recall/message-cues.ts'
import { readNeed } from '../../../src/memory/recall/read-need.ts'
import { searchByNames, tellingOf } from '../../../src/memory/recall/turn-need.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import type { UserId } from '../../../src/base/index.ts'
import { type NotebookHalf, readNotebooks } from '../../../test/recall-bench/notebooks/read-notebooks.ts'
import { people } from '../../../test/recall-bench/people/people.ts'
import { type Chance, seededChance } from '../generated/seeded-chance.ts'
import { development } from './development.ts'
import { pastLives, pastWork } from './past-talks.ts'
import { askedOf, askedOfPerson, type AskedTurns } from './score-turns.ts'
import { openNotebook } from './score-notebooks.ts'
import { answered, manyLivesTogether } from './told-together.ts'
import { fillTurnBed } from './turn-bed.ts'

/** As a turn looks through by default. */
const limit = 10
const tokens = 1_000
const pastPassages = 2_000

export interface ExampleMessage {
  /** Whose memory it is: what is of one person is left out together. */
  readonly person: string
  readonly set: string
  readonly what: string
  readonly text: string
  readonly needs: readonly string[]
  readonly allows: readonly string[]
  /** What was found, best first: ids, or texts where a set names these. */
  readonly found: readonly string[]
  /** Features of each. */
  readonly rows: readonly (readonly number[])[]
}

type Asked = Pick<ExampleMessage, 'what' | 'text' | 'needs' | 'allows'>

export async function collectExamples(half: NotebookHalf): Promise<readonly ExampleMessage[]> {
  const text = createLocalTextEngine({ embedder: 'words-50k' })
  try {
    const all: ExampleMessage[] = []
    for (const notebook of readNotebooks(half)) {
      await using bed = await openNotebook(notebook, text)
      const asked = [...notebook.asked, ...notebook.talk]
      const told = new Map(notebook.notes.map((note) => [note.id, note.text]))
      const more = half === 'tune' ? varied(asked, (id) => told.get(id) ?? '') : []
      for (const each of [...asked, ...more]) all.push(await lookUp(bed.recall, { person: notebook.name, set: 'notebooks' }, each))
    }
    if (half === 'tune') all.push(...(await collectTurns(text)))
    return all
  } finally {
    await text.close()
  }
}

async function collectTurns(text: TextEngine): Promise<readonly ExampleMessage[]> {
  const all: ExampleMessage[] = []
  for (const [past, talks] of [
    ['', []],
    ['work', pastWork(pastPassages)],
    ['lives', pastLives(pastPassages)],
  ] as const) {
    const sets = [
      ['development', askedOf(development)] as const,
      ...people.map((each) => [each.name, askedOfPerson(each, 'tune')] as const),
    ]
    for (const [person, turns] of sets) all.push(...(await collectFrom(text, { person, set: `turns ${past}`.trim() }, turns, talks)))
  }
  const { said, asked } = manyLivesTogether('tune')
  all.push(...(await collectFrom(text, { person: 'many lives', set: 'turns' }, { told: [], asked }, [answered(said)])))
  return all
}

async function collectFrom(
  text: TextEngine,
  of: Pick<ExampleMessage, 'person' | 'set'>,
  { told, asked }: AskedTurns,
  talks: readonly (readonly string[])[],
): Promise<readonly ExampleMessage[]> {
  const store = await openMemoryStore({ user: 'bench' as UserId })
  try {
    await fillTurnBed(store, told, talks, text)
    const recall = createRecall({ store: store.memory, text, now: Date.now })
    const messages = Object.entries(asked).flatMap(([what, list]) =>
      list.map(([message, answer]): Asked => ({ what, text: message, needs: answer === '' ? [] : [answer], allows: [] })),
    )
    const all: ExampleMessage[] = []
    for (const each of [...messages, ...varied(messages, (id) => id)]) all.push(await lookUp(recall, of, each, 'text'))
    return all
  } finally {
    await store.close()
  }
}

async function lookUp(
  recall: Recall,
  of: Pick<ExampleMessage, 'person' | 'set'>,
  asked: Asked,
  by: 'id' | 'text' = 'id',
): Promise<ExampleMessage> {
  const need = readNeed(asked.text)
  if (need.kind === 'nothing') return { ...of, ...asked, found: [], rows: [] }
  const question = { text: asked.text, filter: { validAt: Date.now() }, limit, tokens, whenCommon: () => {} }
  const found = tellingOf(await searchByNames(recall, question), need)
  return { ...of, ...asked, found: found.map(({ id, passage }) => (by === 'id' ? id : passage.text)), rows: featuresOf(found, need) }
}

/** People and things of nobody here. */
const strangers =
  'Marchmont Lowther Ottoline Barnaby Quennell Zephyr Hollis Corwin Ilse Tamsin Voss Ardley Pemberton Juno Larkin Wystan'.split(' ')
const classesToVary: ReadonlySet<string> = new Set(['direct', 'alias', 'changed', 'drift', 'reworded'])

/** @param textOf what a needed id says */
function varied(asked: readonly Asked[], textOf: (id: string) => string): readonly Asked[] {
  const chance = seededChance(29)
  return asked
    .filter(({ what, needs }) => classesToVary.has(what) && needs.length > 0)
    .flatMap((each) => {
      const longest = (each.text.match(/\p{L}{5,}/gu) ?? []).toSorted((a, b) => b.length - a.length)[0]
      const typed =
        longest === undefined ? [] : [{ ...each, what: 'misspelled', text: each.text.replace(longest, misspell(longest, chance)) }]
      const name = namesInside(each.text).find((word) => each.needs.some((id) => textOf(id).includes(word)))
      const stranger = chance.pick(strangers)
      const foreign =
        name === undefined ? [] : [{ ...each, what: 'of others', text: each.text.replaceAll(name, stranger), needs: [], allows: [] }]
      return [...typed, ...foreign]
    })
}

function misspell(word: string, chance: Chance): string {
  const at = 1 + chance.below(word.length - 2)
  const [one, two] = [word.charAt(at), word.charAt(at + 1)]
  return word.slice(0, at) + (chance.happens(0.5) ? two + one + word.slice(at + 2) : word.slice(at + 1))
}
