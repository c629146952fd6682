/**
 * Reads dialogues from a file in LoCoMo's format: an array (or one object) of samples with `conversation` (`session_N`,
 * `session_N_date_time`, turns with `speaker`, `dia_id`, `text`) and `qa` (`question`, `evidence`, `category`). Unusable
 * entries are skipped and counted; only a file without any question is refused.
 *
 * Quirks that real files have: ids with leading zeros or a doubled colon (`D30:05`, `D:11:26`), several ids in one string
 * (`D8:6; D9:17`), evidence that names no turn, questions without evidence, pictures with only a caption.
 */
import { readFileSync } from 'node:fs'
import type { Dialogue, Question, QuestionClass, Turn } from './dialogue.ts'

export interface ReadDialogues {
  readonly dialogues: readonly Dialogue[]
  /** Number of skipped questions: adversarial ones, which have no answer, and those with missing evidence. */
  readonly leftOut: number
}

/** LoCoMo's numbers; 5 is adversarial. A file may also use our class names. */
const classes: Readonly<Record<string, QuestionClass>> = {
  '1': 'multi_hop',
  '2': 'temporal',
  '3': 'open_domain',
  '4': 'single_hop',
  changed: 'changed',
  identifier: 'identifier',
  multi_hop: 'multi_hop',
  temporal: 'temporal',
  open_domain: 'open_domain',
  single_hop: 'single_hop',
}

const turnMs = 60_000
/** Date of sessions without a valid one. */
const firstSession = Date.UTC(2023, 0, 1)
const weekMs = 7 * 86_400_000

type Fields = Readonly<Record<string, unknown>>

export function readLocomoFile(path: string): ReadDialogues {
  return readLocomo(JSON.parse(readFileSync(path, 'utf8')))
}

/** @throws Error for a file without a usable question */
export function readLocomo(parsed: unknown): ReadDialogues {
  const samples = (Array.isArray(parsed) ? parsed : [parsed]).filter(isFields)
  const read = samples.map(readSample)
  const dialogues = read.map(({ dialogue }) => dialogue).filter(({ questions }) => questions.length > 0)
  if (dialogues.length === 0) throw new Error('no question with evidence: is this a file in the format of LoCoMo (conversation, qa)?')
  return { dialogues, leftOut: read.reduce((sum, { leftOut }) => sum + leftOut, 0) }
}

function readSample(sample: Fields, index: number): { dialogue: Dialogue; leftOut: number } {
  const turns = readTurns(isFields(sample['conversation']) ? sample['conversation'] : {})
  const known = new Set(turns.map(({ id }) => id))
  const asked = (Array.isArray(sample['qa']) ? sample['qa'] : []).filter(isFields)
  const questions = asked.flatMap((each) => readQuestion(each, known))
  const name = typeof sample['sample_id'] === 'string' ? sample['sample_id'] : `sample ${index + 1}`
  return { dialogue: { name, turns, questions }, leftOut: asked.length - questions.length }
}

function readTurns(conversation: Fields): Turn[] {
  const numbers = Object.keys(conversation)
    .flatMap((key) => /^session_(\d+)$/.exec(key)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
  return numbers.flatMap((sitting) => {
    const lines = conversation[`session_${sitting}`]
    if (!Array.isArray(lines)) return []
    const at = sessionTime(conversation[`session_${sitting}_date_time`]) ?? firstSession + sitting * weekMs
    return lines.filter(isFields).flatMap((line, i): Turn[] => {
      const text = [words(line['text']), words(line['blip_caption'])].filter((part) => part !== '').join(' ')
      const id = turnIds(words(line['dia_id']))[0] ?? `D${sitting}:${i + 1}`
      return text === '' ? [] : [{ id, speaker: words(line['speaker']), text, at: at + i * turnMs, sitting }]
    })
  })
}

function readQuestion(asked: Fields, known: ReadonlySet<string>): Question[] {
  const text = words(asked['question'])
  const kind = classes[String(asked['category'])]
  const named = Array.isArray(asked['evidence']) ? asked['evidence'] : [asked['evidence']]
  const evidence = [...new Set(named.flatMap((each) => turnIds(words(each))))].filter((id) => known.has(id))
  return kind === undefined || text === '' || evidence.length === 0 ? [] : [{ text, kind, evidence }]
}

/** @returns every turn that a text names, in the form `D1:2`. */
function turnIds(text: string): string[] {
  return [...text.matchAll(/D:?(\d+):(\d+)/g)].map(([, sitting, turn]) => `D${Number(sitting)}:${Number(turn)}`)
}

/** LoCoMo writes `1:56 pm on 8 May, 2023`. */
function sessionTime(text: unknown): number | null {
  const found = /(\d{1,2}):(\d{2})\s*([ap]m)?\s+on\s+(\d{1,2})\s+(\w+),?\s+(\d{4})/i.exec(words(text))
  if (found === null) {
    const parsed = Date.parse(words(text))
    return Number.isNaN(parsed) ? null : parsed
  }
  const [, hour, minute, half, day, month, year] = found
  const midnight = Date.parse(`${day} ${month} ${year} UTC`)
  if (Number.isNaN(midnight)) return null
  const hours = half === undefined ? Number(hour) : (Number(hour) % 12) + (half.toLowerCase() === 'pm' ? 12 : 0)
  return midnight + (hours * 60 + Number(minute)) * 60_000
}

function words(value: unknown): string {
  return typeof value === 'string' ? value.trim() : ''
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
