/** What the fields of a character may hold in each form, read into one. A field of a wrong type is a problem that names its place. */
import { isObject, type Json, type JsonObject, ownValue } from '../../base/index.ts'
import { type Character, type CharacterForm, type ExampleMessage, type Knowledge, maxListEntries } from './character.ts'

/** Collects what is wrong while a file is read. */
export interface Findings {
  problem(at: string, text: string): void
  warning(at: string, text: string): void
}

export function readFields(original: JsonObject, findings: Findings): Character {
  const list = (key: string): readonly string[] => textList(ownValue(original, key), key, findings)
  const text = (key: string): string => textOf(ownValue(original, key), key, findings)
  const settings = objectOf(original['settings'], 'settings', findings)
  const name = text('name')
  if (name.trim() === '') findings.problem('name', 'is missing: a character has a name')
  return {
    id: text('id'),
    name: name.trim(),
    username: text('username'),
    system: text('system'),
    bio: list('bio'),
    lore: list('lore'),
    adjectives: list('adjectives'),
    topics: list('topics'),
    style: readStyle(original['style'], findings),
    messageExamples: readConversations(original['messageExamples'], findings),
    postExamples: list('postExamples'),
    knowledge: readKnowledge(original['knowledge'], findings),
    plugins: [...new Set([...readPlugins(original['plugins'], findings), ...list('clients').flatMap(clientPlugin)])],
    templates: readTemplates(original['templates'], findings),
    settings,
    secrets: {
      ...readSecrets(settings['secrets'], 'settings.secrets', findings),
      ...readSecrets(original['secrets'], 'secrets', findings),
    },
  }
}

/** @returns the form that a file has, by what only that one has */
export function formOf(original: JsonObject): CharacterForm {
  const { messageExamples, knowledge } = original
  const groups = asList(messageExamples)
  const items = asList(knowledge)
  if (groups.some((each) => isObject(each) && 'examples' in each) || items.some((each) => isObject(each) && 'item' in each))
    return 'elizaos-2'
  const messages = groups.flatMap(asList)
  const isOld =
    messages.some((each) => isObject(each) && 'user' in each) ||
    ['lore', 'clients', 'modelProvider'].some((key) => Object.hasOwn(original, key))
  return isOld ? 'elizaos-0' : 'elizaos-1'
}

export const asList = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : [])

const isAbsent = (value: Json | undefined): value is null | undefined => value === undefined || value === null

function textOf(value: Json | undefined, at: string, findings: Findings): string {
  if (isAbsent(value)) return ''
  if (typeof value === 'string') return value
  findings.problem(at, `is ${kindOf(value)}, not a text`)
  return ''
}

/** A single text is a list of one. */
function textList(value: Json | undefined, at: string, findings: Findings): readonly string[] {
  if (isAbsent(value)) return []
  if (typeof value === 'string') return value.trim() === '' ? [] : [value]
  return listOf(value, at, findings)
    .map((each, index) => textOf(each, `${at}[${index}]`, findings))
    .filter((each) => each.trim() !== '')
}

function listOf(value: Json | undefined, at: string, findings: Findings): readonly Json[] {
  if (isAbsent(value)) return []
  if (!Array.isArray(value)) {
    findings.problem(at, `is ${kindOf(value)}, not a list`)
    return []
  }
  if (value.length > maxListEntries) findings.problem(at, `has ${value.length} entries; at most ${maxListEntries} are read`)
  return value.slice(0, maxListEntries)
}

function objectOf(value: Json | undefined, at: string, findings: Findings): JsonObject {
  if (isAbsent(value)) return {}
  if (isObject(value)) return value
  findings.problem(at, `is ${kindOf(value)}, not an object`)
  return {}
}

function kindOf(value: Json): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  return typeof value === 'string' ? 'a text' : `a ${typeof value}`
}

function readStyle(value: Json | undefined, findings: Findings): Character['style'] {
  const style = objectOf(value, 'style', findings)
  const list = (key: string): readonly string[] => textList(ownValue(style, key), `style.${key}`, findings)
  return { all: list('all'), chat: list('chat'), post: list('post') }
}

function readConversations(value: Json | undefined, findings: Findings): Character['messageExamples'] {
  return listOf(value, 'messageExamples', findings).map((group, index) => {
    const at = `messageExamples[${index}]`
    const isGroup = isObject(group)
    const messages = listOf(isGroup ? group['examples'] : group, isGroup ? `${at}.examples` : at, findings)
    return messages.map((message, place) => readExample(message, `${at}[${place}]`, findings))
  })
}

/** `{name, content: {text}}`; 0.x has `user` for `name`, and ZoeyOS `text` next to it. */
function readExample(value: Json, at: string, findings: Findings): ExampleMessage {
  const message = objectOf(value, at, findings)
  const content =
    typeof message['content'] === 'string' ? { text: message['content'] } : objectOf(message['content'], `${at}.content`, findings)
  const { action } = content
  const actions = textList(content['actions'], `${at}.content.actions`, findings)
  return {
    name: textOf(message['name'] ?? message['user'], `${at}.name`, findings),
    text: textOf(content['text'] ?? message['text'], `${at}.content.text`, findings),
    actions: typeof action === 'string' && action !== '' ? [...actions, action] : actions,
  }
}

function readKnowledge(value: Json | undefined, findings: Findings): readonly Knowledge[] {
  return listOf(typeof value === 'string' ? [value] : value, 'knowledge', findings).flatMap((entry, index) => {
    const known = knowledgeOf(entry, `knowledge[${index}]`, findings)
    return known === null ? [] : [known]
  })
}

function knowledgeOf(entry: Json, at: string, findings: Findings): Knowledge | null {
  if (typeof entry === 'string') return entry.trim() === '' ? null : { kind: 'text', text: entry }
  const outer = objectOf(entry, at, findings)
  const item = isObject(outer['item']) ? outer['item'] : null
  // Newer files name the case, with its value next to it.
  const said = item === null ? outer : caseOf(item)
  const shared = said['shared'] === true || outer['shared'] === true
  for (const [key, kind] of [
    ['path', 'file'],
    ['directory', 'folder'],
    ['text', 'text'],
  ] as const) {
    const value = said[key]
    if (typeof value !== 'string' || value === '') continue
    return kind === 'text' ? { kind, text: value } : { kind, path: value, shared }
  }
  findings.problem(at, 'is neither a text nor {path} nor {directory}')
  return null
}

function caseOf(item: JsonObject): JsonObject {
  const { case: key, value } = item
  if (typeof key !== 'string') return item
  if (!isObject(value)) return { [key]: value ?? null }
  return key === 'directory' ? { ...value, directory: value['directory'] ?? value['path'] ?? null, path: null } : value
}

/** Names of packages; 0.x also has the objects of plugins. */
function readPlugins(value: Json | undefined, findings: Findings): readonly string[] {
  return listOf(value, 'plugins', findings).flatMap((entry, index) => {
    const name = isObject(entry) ? entry['name'] : entry
    if (typeof name === 'string' && name.trim() !== '') return [name.trim()]
    findings.problem(`plugins[${index}]`, 'is neither the name of a package nor a plugin with a name')
    return []
  })
}

/** Clients of 0.x are plugins of 1.x. The ways to a conversation that Oxbow has itself need none. */
function clientPlugin(client: string): readonly string[] {
  const name = client
    .trim()
    .toLowerCase()
    .replace(/^.*\/(?:client|plugin)-/, '')
  return name === '' || name === 'direct' || name === 'auto' ? [] : [`@elizaos/plugin-${name}`]
}

function readTemplates(value: Json | undefined, findings: Findings): Readonly<Record<string, string>> {
  const entries = Object.entries(objectOf(value, 'templates', findings)).map(([name, text]) => {
    const template = textOf(text, `templates.${name}`, findings)
    const open = template.split('{{').length - template.split('}}').length
    if (open !== 0) findings.warning(`templates.${name}`, 'has a {{ without its }}, or the other way round')
    return [name, template] as const
  })
  return Object.fromEntries(entries)
}

function readSecrets(value: Json | undefined, at: string, findings: Findings): Character['secrets'] {
  const entries = Object.entries(objectOf(value, at, findings)).flatMap(([name, secret]) => {
    if (isAbsent(secret)) return []
    if (typeof secret === 'string' || typeof secret === 'number' || typeof secret === 'boolean') return [[name, secret] as const]
    findings.problem(`${at}.${name}`, `is ${kindOf(secret)}, not a text, number or boolean`)
    return []
  })
  return Object.fromEntries(entries)
}
