/**
 * Reads the file of a character, whatever wrote it, and says what is wrong with it. A key that no form has is a warning with the nearest
 * name, because a typing error would otherwise drop a part of the character without a word; `strict` refuses it.
 */
import { isObject, type Json, type JsonObject, maxCharacterBytes, nestsDeeper } from '../../types/index.ts'
import { formOf, readFields } from './character-fields.ts'
import { type CharacterForm, type CharacterReading, maxCharacterDepth, maxReported } from './character.ts'

export interface ReadOptions {
  /** Refuses keys that no form has. */
  readonly strict?: boolean
}

/** Never throws. @param text the content of a file, JSON or XML */
export async function readCharacter(text: string, options: ReadOptions = {}): Promise<CharacterReading> {
  const bytes = Buffer.byteLength(text)
  if (bytes > maxCharacterBytes) return failed([`The file has ${bytes} bytes; at most ${maxCharacterBytes} are read.`])
  const isXml = /^\uFEFF?\s*</.test(text)
  let parsed: Json
  try {
    parsed = isXml ? (await import('./zoey-xml.ts')).fromZoeyXml(text) : (JSON.parse(text.replace(/^\uFEFF/, '')) as Json)
  } catch (error) {
    return failed([`The file is not valid ${isXml ? 'XML' : 'JSON'}: ${oneLine(error)}`])
  }
  if (!isObject(parsed)) return failed(['The file holds no object: a character is one JSON object, or one <character> of XML.'])
  return readParsed(parsed, options, isXml ? 'zoeyos-xml' : undefined)
}

/** Never throws. @param form of the file; without it, that of JSON is found */
export function readParsed(original: JsonObject, { strict = false }: ReadOptions = {}, form?: CharacterForm): CharacterReading {
  if (nestsDeeper(original, maxCharacterDepth)) return failed([`The file is nested more than ${maxCharacterDepth} levels deep.`])
  const problems: string[] = []
  const warnings: string[] = []
  const character = readFields(original, {
    problem: (at, what) => void problems.push(`${at} ${what}`),
    warning: (at, what) => void warnings.push(`${at} ${what}`),
  })
  ;(strict ? problems : warnings).push(...unknownKeys(original))
  if (problems.length > 0) return failed(problems)
  if (character.bio.length === 0 && character.system === '') warnings.push('bio and system are missing: nothing says who this is')
  return { ok: true, read: { form: form ?? formOf(original), character, original, warnings: warnings.slice(0, maxReported) } }
}

function failed(problems: readonly string[]): CharacterReading {
  return { ok: false, problems: problems.slice(0, maxReported) }
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').slice(0, 300)
}

/** Keys that a form has, with those of the objects in them. */
const knownKeys: Readonly<Record<string, readonly string[]>> = {
  '': words(
    `$schema id name username system bio lore adjectives topics style messageExamples postExamples knowledge plugins templates settings
     secrets clients clientConfig modelProvider imageModelProvider imageVisionModelProvider modelEndpointOverride model nft twitterProfile
     instagramProfile simsaiProfile extends storage voice people email description enabled createdAt updatedAt advancedPlanning advancedMemory`,
  ),
  style: ['all', 'chat', 'post'],
  storage: words('adapter url database apiKey embeddingDimension'),
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/)
}

function unknownKeys(original: JsonObject): readonly string[] {
  return Object.entries(knownKeys).flatMap(([place, keys]) => {
    const value = place === '' ? original : original[place]
    if (!isObject(value)) return []
    const unknown = Object.keys(value).filter((key) => !keys.includes(key))
    return unknown.map((key) => `${place === '' ? '' : `${place}.`}${key.slice(0, 60)} is no field of a character${suggestion(key, keys)}`)
  })
}

function suggestion(key: string, keys: readonly string[]): string {
  // A long key is no typing error.
  if (key.length > 40) return ''
  const [nearest] = keys
    .map((each) => ({ each, edits: editDistance(key.toLowerCase().replaceAll(/[_-]/g, ''), each.toLowerCase()) }))
    .toSorted((a, b) => a.edits - b.edits)
  return nearest !== undefined && nearest.edits <= Math.max(1, Math.floor(key.length / 4)) ? `; did you mean ${nearest.each}?` : ''
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}
