/**
 * Reads the file of a character, whatever wrote it, and says what is wrong with it. A key that no form has is a warning with the nearest
 * name, because a typing error would otherwise drop a part of the character without a word; `strict` refuses it.
 */
import { isObject, type Json, type JsonObject, errorMessage, nearestNames, nestsDeeper } from '../../base/index.ts'
import { maxCharacterBytes } from '../../config/index.ts'
import { asList, formOf, readFields } from './character-fields.ts'
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
  const reading = readParsed(parsed, options, isXml ? 'zoeyos-xml' : undefined)
  const rounded = reading.ok && !isXml ? roundedNumbers(text) : []
  if (!reading.ok || rounded.length === 0) return reading
  const { read } = reading
  return { ok: true, read: { ...read, warnings: [...rounded, ...read.warnings].slice(0, maxReported) } }
}

/** @returns a warning for each whole number that is more exact than JSON is here, as ids of other services are */
function roundedNumbers(text: string): readonly string[] {
  if (!/\d{16}/.test(text)) return []
  const found: string[] = []
  const look = (key: string, value: unknown, { source = '' }: { readonly source?: string }): unknown => {
    if (typeof value === 'number' && /^-?\d+$/.test(source) && BigInt(source) !== BigInt(value) && found.length < maxReported)
      found.push(`${key.slice(0, 60)} is the number ${source.slice(0, 40)}, which cannot be kept exactly; write it as a text, in quotes`)
    return value
  }
  JSON.parse(text.replace(/^\uFEFF/, ''), look as (key: string, value: unknown) => unknown)
  return found
}

/** Never throws. @param form of the file; without it, JSON's form is detected */
export function readParsed(original: JsonObject, { strict = false }: ReadOptions = {}, form?: CharacterForm): CharacterReading {
  if (nestsDeeper(original, maxCharacterDepth)) return failed([`The file is nested more than ${maxCharacterDepth} levels deep.`])
  const problems: string[] = []
  const warnings: string[] = []
  const character = readFields(original, {
    problem: (at, what) => void (problems.length < maxReported && problems.push(`${at} ${what}`)),
    warning: (at, what) => void (warnings.length < maxReported && warnings.push(`${at} ${what}`)),
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
  return errorMessage(error).replaceAll(/\s+/g, ' ').slice(0, 300)
}

/** Keys of a form, and of the objects in it. */
const characterKeys = words(
  `$schema id name username system bio lore adjectives topics style messageExamples postExamples knowledge plugins templates settings
   secrets clients clientConfig modelProvider imageModelProvider imageVisionModelProvider modelEndpointOverride model imageModel nft
   twitterProfile instagramProfile simsaiProfile mcpServers extends storage voice people email description enabled createdAt updatedAt
   advancedPlanning advancedMemory`,
)
const styleKeys = words('all chat post')
const storageKeys = words('adapter url database apiKey embeddingDimension')
const knowledgeKeys = words('path directory text shared item')
const itemKeys = words('case value path directory text shared')
const groupKeys = words('examples id name description')
const messageKeys = words('name user content text action actions id createdAt')

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/)
}

/** Only as many as are reported: each costs a comparison with all names. */
function unknownKeys(original: JsonObject): readonly string[] {
  const found: string[] = []
  for (const [place, value, known] of objectsOf(original)) {
    for (const key of Object.keys(value)) {
      // Programs that write protocol buffers as JSON add `$typeName`.
      if (known.includes(key) || key.startsWith('$')) continue
      found.push(`${place === '' ? '' : `${place}.`}${key.slice(0, 60)} is no field of a ${nameOf(place)}${suggestion(key, known)}`)
      if (found.length >= maxReported) return found
    }
  }
  return found
}

function nameOf(place: string): string {
  return place.startsWith('messageExamples') ? 'message' : place.startsWith('knowledge') ? 'piece of knowledge' : 'character'
}

/** The objects whose keys are known, each with its place. Settings, secrets, templates and contents are free. */
function* objectsOf(original: JsonObject): Generator<readonly [place: string, value: JsonObject, keys: readonly string[]]> {
  yield ['', original, characterKeys]
  const { style, storage } = original
  if (isObject(style)) yield ['style', style, styleKeys]
  if (isObject(storage)) yield ['storage', storage, storageKeys]
  for (const [index, piece] of asList(original['knowledge']).entries()) {
    if (!isObject(piece)) continue
    yield [`knowledge[${index}]`, piece, knowledgeKeys]
    if (isObject(piece['item'])) yield [`knowledge[${index}].item`, piece['item'], itemKeys]
  }
  for (const [index, group] of asList(original['messageExamples']).entries()) {
    const at = `messageExamples[${index}]`
    if (isObject(group)) yield [at, group, groupKeys]
    const inGroup = isObject(group)
    for (const [place, message] of asList(inGroup ? group['examples'] : group).entries())
      if (isObject(message)) yield [`${at}${inGroup ? '.examples' : ''}[${place}]`, message, messageKeys]
  }
}

function suggestion(key: string, keys: readonly string[]): string {
  // A long key is no typing error.
  if (key.length > 40) return ''
  const byName = new Map(keys.map((each) => [each.toLowerCase(), each]))
  const [nearest = ''] = nearestNames(key.toLowerCase().replaceAll(/[_-]/g, ''), byName.keys(), Math.max(1, Math.floor(key.length / 4)))
  return nearest === '' ? '' : `; did you mean ${byName.get(nearest)}?`
}
