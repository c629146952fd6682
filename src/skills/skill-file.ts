/**
 * SKILL.md as agentskills.io defines it: a YAML frontmatter between `---`, and instructions behind it. The verdict equals skills-ref
 * 0.1.5's, message by message, also where it is more lenient than the text of the specification; but fields of other programs, such as
 * `model`, which it refuses, are warnings. Nothing in a skill is replaced by
 * values of the environment.
 */
import { setOwn } from '../base/index.ts'
import { maxSkillMdBytes } from '../config/index.ts'
import { maxFrontmatterChars, maxValueNodes } from './limits.ts'

/** The head of a SKILL.md. */
export interface SkillHead {
  readonly name: string
  readonly description: string
  readonly license: string
  readonly compatibility: string
  /** Tools that its scripts may use; null: the field is absent. */
  readonly allowedTools: readonly string[] | null
}

export interface ReadSkill {
  /** Null if there are errors. */
  readonly head: SkillHead | null
  /** Why it is not valid; empty if it is. */
  readonly errors: readonly string[]
  /** What of it has no effect here. */
  readonly warnings: readonly string[]
  /** Behind the frontmatter. */
  readonly body: string
}

/** The names by which a folder is a skill, the first one preferred. */
export const skillFileNames = ['SKILL.md', 'skill.md'] as const

/** @param folder name of the skill's folder. Never throws. */
export async function readSkill(text: string, folder: string): Promise<ReadSkill> {
  const parts = splitSkill(text)
  if ('problem' in parts) return { head: null, errors: [parts.problem], warnings: [], body: '' }
  const { frontmatter, body } = parts
  const plain = plainFields(frontmatter)
  if (plain !== null) return judge(plain, folder, body)
  const parsed = await parseYaml(frontmatter)
  return 'problem' in parsed ? { head: null, errors: [parsed.problem], warnings: [], body } : judge(parsed.fields, folder, body)
}

type Fields = Readonly<Record<string, unknown>>

function judge(fields: Fields, folder: string, body: string): ReadSkill {
  const errors = errorsOf(fields, folder)
  return { head: errors.length === 0 ? headOf(fields) : null, errors, warnings: foreignFields(fields), body }
}

/** @returns both parts, or why it cannot be split */
function splitSkill(text: string): { readonly frontmatter: string; readonly body: string } | { readonly problem: string } {
  if (Buffer.byteLength(text) > maxSkillMdBytes) return { problem: `SKILL.md is larger than ${maxSkillMdBytes / 1024} KiB` }
  if (!text.startsWith('---')) return { problem: 'SKILL.md must start with YAML frontmatter (---)' }
  // As the reference does it: the next three hyphens end the frontmatter, wherever they stand.
  const end = text.indexOf('---', 3)
  if (end < 0) return { problem: 'SKILL.md frontmatter not properly closed with ---' }
  if (end > maxFrontmatterChars) return { problem: `SKILL.md frontmatter is longer than ${maxFrontmatterChars} characters` }
  return { frontmatter: text.slice(3, end), body: text.slice(end + 3).trim() }
}

/** Plain scalars of ASCII that begin with a letter and hold nothing with a meaning in YAML, as `#` or a colon before a space; these words are no text. */
const plainLine = /^([a-z-]+): ([A-Za-z](?:(?:[\x20-\x22\x24-\x39\x3b-\x7e]|:(?! ))*[\x21\x22\x24-\x39\x3b-\x7e])?)$/
const notText = /^(?:null|Null|NULL|true|True|TRUE|false|False|FALSE)$/

/** Most frontmatters need no parser. @returns null for one that does */
function plainFields(frontmatter: string): Fields | null {
  const fields: Record<string, string> = {}
  const lines = frontmatter.split('\n')
  if (lines.shift() !== '' || lines.pop() !== '') return null
  for (const line of lines) {
    const [, key = '', value = ''] = plainLine.exec(line) ?? []
    if (key === '' || key === 'metadata' || Object.hasOwn(fields, key) || notText.test(value) || notText.test(key)) return null
    setOwn(fields, key, value)
  }
  return lines.length === 0 ? null : fields
}

async function parseYaml(frontmatter: string): Promise<{ readonly fields: Fields } | { readonly problem: string }> {
  const { default: yaml } = await import('js-yaml')
  try {
    const parsed: unknown = yaml.load(frontmatter) ?? {}
    if (Array.isArray(parsed)) throw new Error('it is a list')
    if (typeof parsed !== 'object') return { problem: 'SKILL.md frontmatter must be a YAML mapping' }
    return { fields: parsed as Fields }
  } catch (error) {
    return { problem: `Invalid YAML in frontmatter: ${error instanceof Error ? error.message.slice(0, 500) : 'it cannot be read'}` }
  }
}

function errorsOf(fields: Fields, folder: string): readonly string[] {
  try {
    return validateFields(fields, folder)
  } catch (error) {
    // A value that cannot be made a text.
    return [String(error)]
  }
}

const allowedFields: readonly string[] = ['allowed-tools', 'compatibility', 'description', 'license', 'metadata', 'name']
const maxNameLength = 64
const maxDescriptionLength = 1_024
const maxCompatibilityLength = 500

function validateFields(fields: Fields, folder: string): readonly string[] {
  const errors: string[] = []
  if ('name' in fields) errors.push(...nameErrors(asText(fields['name']), folder))
  else errors.push('Missing required field in frontmatter: name')
  if ('description' in fields) errors.push(...descriptionErrors(asText(fields['description'])))
  else errors.push('Missing required field in frontmatter: description')
  if ('compatibility' in fields) errors.push(...compatibilityErrors(fields['compatibility']))
  return errors
}

function foreignFields(fields: Fields): readonly string[] {
  const extra = Object.keys(fields).filter((key) => !allowedFields.includes(key))
  if (extra.length === 0) return []
  return [`These fields of its frontmatter have no effect here: ${extra.toSorted().join(', ')}.`]
}

function nameErrors(name: string, folder: string): readonly string[] {
  if (name.trim() === '') return ["Field 'name' must be a non-empty string"]
  const normal = name.trim().normalize('NFKC')
  const errors: string[] = []
  if (normal.length > maxNameLength) errors.push(`Skill name '${normal}' exceeds ${maxNameLength} character limit (${normal.length} chars)`)
  if (normal !== normal.toLowerCase()) errors.push(`Skill name '${normal}' must be lowercase`)
  if (normal.startsWith('-') || normal.endsWith('-')) errors.push('Skill name cannot start or end with a hyphen')
  if (normal.includes('--')) errors.push('Skill name cannot contain consecutive hyphens')
  if (!plainName.test(normal) && !nameCharacters.test(normal))
    errors.push(`Skill name '${normal}' contains invalid characters. Only letters, digits, and hyphens are allowed.`)
  if (folder !== '' && folder.normalize('NFKC') !== normal) errors.push(`Directory name '${folder}' must match skill name '${normal}'`)
  return errors
}

const plainName = /^[a-z0-9-]*$/
/** The ranges that the reference takes for letters and digits, and the hyphen. */
const nameCharacters = /^(?:[-0-9A-Za-z\u00c0-\u024f\u0400-\u04ff\u3400-\u4dbf\u4e00-\u9fff]|[\u0300-\u036f])*$/u

function descriptionErrors(description: string): readonly string[] {
  if (description.trim() === '') return ["Field 'description' must be a non-empty string"]
  if (description.length <= maxDescriptionLength) return []
  return [`Description exceeds ${maxDescriptionLength} character limit (${description.length} chars)`]
}

function compatibilityErrors(compatibility: unknown): readonly string[] {
  if (typeof compatibility !== 'string') return ["Field 'compatibility' must be a string"]
  if (compatibility.length <= maxCompatibilityLength) return []
  return [`Compatibility exceeds ${maxCompatibilityLength} character limit (${compatibility.length} chars)`]
}

function headOf(fields: Fields): SkillHead {
  return {
    name: asText(fields['name']).trim().normalize('NFKC'),
    description: asText(fields['description']).trim().replace(/\s+/g, ' '),
    license: typeof fields['license'] === 'string' ? fields['license'] : '',
    compatibility: typeof fields['compatibility'] === 'string' ? fields['compatibility'] : '',
    allowedTools: toolsOf(fields['allowed-tools']),
  }
}

/** A text such as `Bash(git add:*) Read`, also with commas, or a list. What is neither allows nothing. */
function toolsOf(value: unknown): readonly string[] | null {
  if (value === undefined) return null
  if (Array.isArray(value)) return value.filter((each) => typeof each === 'string')
  return typeof value === 'string' ? (value.match(/[^\s,(]+(?:\([^)]*\))?/g) ?? []) : []
}

/** As `String` does it; a value that aliases have blown up is a long text without meaning, which no field allows. */
function asText(value: unknown): string {
  if (typeof value === 'string') return value
  return isSmall(value) ? String(value) : '!'.repeat(maxDescriptionLength + 1)
}

function isSmall(value: unknown): boolean {
  const left: unknown[] = [value]
  for (let count = 0; left.length > 0; count += 1) {
    if (count > maxValueNodes) return false
    const next = left.pop()
    if (Array.isArray(next)) left.push(...next.slice(0, maxValueNodes))
  }
  return true
}
