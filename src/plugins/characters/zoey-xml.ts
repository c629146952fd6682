/**
 * The XML of ZoeyOS as the JSON of elizaOS. The parser knows no entities but the five of XML and loads nothing, so that a file can neither
 * grow nor reach out while it is read.
 */
import { SaxesParser } from 'saxes'
import { type Json, type JsonObject, ownValue } from '../../base/index.ts'
import { maxCharacterDepth } from './character.ts'

interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: Element[]
  text: string
}

/** @throws Error that says where the text is not well formed, or what stands at its root */
export function fromZoeyXml(text: string): JsonObject {
  const root = parse(text)
  if (root.name !== 'character') throw new Error(`its root is <${root.name.slice(0, 60)}>, not <character>`)
  const entries = root.children.map((child) => [child.name, readers.get(child.name)?.(child) ?? freeValue(child)] as const)
  return { ...root.attributes, ...Object.fromEntries(entries) }
}

function parse(text: string): Element {
  const open: Element[] = []
  let root: Element | undefined
  const parser = new SaxesParser()
  parser.on('error', (error) => {
    throw error
  })
  parser.on('opentag', ({ name, attributes }) => {
    if (open.length >= maxCharacterDepth) throw new Error(`it is nested more than ${maxCharacterDepth} levels deep`)
    const element: Element = { name, attributes, children: [], text: '' }
    open.at(-1)?.children.push(element)
    root ??= element
    open.push(element)
  })
  const append = (more: string): void => {
    const last = open.at(-1)
    if (last !== undefined) last.text += more
  }
  parser.on('text', append)
  parser.on('cdata', append)
  parser.on('closetag', () => void open.pop())
  parser.write(text).close()
  if (root === undefined) throw new Error('it has no element')
  return root
}

type Reader = (element: Element) => Json

const textOf: Reader = ({ text }) => text.trim()
const texts: Reader = ({ children, text }) => (children.length === 0 && text.trim() !== '' ? [text.trim()] : children.map(textOf))

const messageOf: Reader = ({ attributes, children, text }) => {
  const part = (key: string): string => ownValue(attributes, key) ?? children.find(({ name }) => name === key)?.text.trim() ?? ''
  return { name: part('name'), content: { text: part('text') || text.trim() } }
}

/** Names of templates in ZoeyOS, as elizaOS has them. */
const templateNames: ReadonlyMap<string, string> = new Map([
  ['messageHandler', 'messageHandlerTemplate'],
  ['postCreation', 'postCreationTemplate'],
  ['shouldRespond', 'shouldRespondTemplate'],
])

const readers: ReadonlyMap<string, Reader> = new Map([
  ...['id', 'name', 'username', 'system', 'modelProvider'].map((key) => [key, textOf] as const),
  ...['bio', 'lore', 'knowledge', 'topics', 'adjectives', 'postExamples', 'plugins', 'clients'].map((key) => [key, texts] as const),
  ['style', ({ children }) => Object.fromEntries(children.map((part) => [part.name, texts(part)]))],
  ['messageExamples', ({ children }) => children.map((conversation) => conversation.children.map(messageOf))],
  ['templates', ({ children }) => Object.fromEntries(children.map((each) => [templateNames.get(each.name) ?? each.name, textOf(each)]))],
])

/** A free child: its children by name, a list where a name comes twice, or what its text says. */
function freeValue(element: Element): Json {
  const { children, attributes, text } = element
  if (children.length === 0 && Object.keys(attributes).length === 0) return plainValue(text.trim())
  const named = Map.groupBy(children, ({ name }) => name)
  const isList = named.size === 1 && children.length > 1
  if (isList) return children.map(freeValue)
  return {
    ...attributes,
    ...Object.fromEntries([...named].map(([name, each]) => [name, each.length === 1 ? freeValue(each[0]!) : each.map(freeValue)])),
  }
}

function plainValue(text: string): Json {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : text
}
