/**
 * What a server offers besides tools, as calls: its resources, which models read like web pages, and its prompts, which only a person
 * chooses. Both are text of the server, and untrusted; the address of a resource is a way out for data.
 */
import { z } from 'zod'
import { isObject, type Json, type JsonObject, ownValue, OxbowError } from '../../base/index.ts'
import { type Blobs, type Call, type CallContext, defineCall, type KeptFile } from '../../protocol/index.ts'
import type { Connection } from './connection.ts'
import { visible } from './definitions.ts'
import { maxListedItems, maxListedChars, maxResultChars, maxWaitS } from './limits.ts'
import type { McpClient, RequestOptions } from './mcp-client.ts'
import type { KeptOffers, NamedServer } from './settings.ts'
import { filesOf, keepPicture, seenBy } from './tool-call.ts'

/** @param offers what a person has approved */
export function offerCalls(server: NamedServer, offers: KeptOffers, connection: Connection): readonly Call[] {
  const own: Own = { server, offers, connection }
  return [
    ...(offers.resources ? [listResources(own), readResource(own), waitForResource(own)] : []),
    ...(offers.prompts ? [listPrompts(own), getPrompt(own)] : []),
  ]
}

interface Own {
  readonly server: NamedServer
  readonly offers: KeptOffers
  readonly connection: Connection
}

function shared({ server }: Own) {
  return {
    tier: 'read_only',
    right: `mcp.${server.name}`,
    effect: 'none',
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink: true },
    ...filesOf(server),
    rare: true,
    timeoutMs: server.settings.timeout_s * 1_000,
  } as const satisfies Partial<Call>
}

/** Asks the server for a call, if it is still what was approved. @throws OxbowError `denied` */
async function ask<Answer>(
  { server, offers, connection }: Own,
  { caller, signal, call, progress, whileProgram }: CallContext,
  request: (client: McpClient, options: RequestOptions) => Promise<Answer>,
): Promise<Answer> {
  const { offersHash } = await connection.listed(signal)
  if (offersHash !== offers.hash)
    throw new OxbowError('denied', `The server ${server.name} is not what a person has approved.`, {
      hint: `Continue without it. A person can look at the change: oxbow servers diff ${server.name}.`,
    })
  const options = { signal, onProgress: (text: string) => progress(visible(text)) }
  return whileProgram(seenBy(server), () =>
    connection.request({ session: caller.session, call }, signal, (client) => request(client, options)),
  )
}

const resourceLine = z.strictObject({ uri: z.string(), name: z.string(), description: z.string(), type: z.string() })

type ResourceLine = z.infer<typeof resourceLine>

const resourceList = z.strictObject({
  resources: z.array(resourceLine).readonly(),
  templates: z.array(resourceLine).readonly().describe('Their addresses have variables, `{name}`, to fill in.'),
})

type ResourceList = z.infer<typeof resourceList>

const words = z.string().max(200).default('').describe('Only those that have this text in their address, name or description.')

function listResources(own: Own): Call {
  return defineCall({
    ...shared(own),
    name: `mcp.${own.server.name}.resource_list`,
    summary: `Lists resources of the server ${own.server.name}, and templates of their addresses.`,
    input: z.strictObject({ containing: words }),
    output: resourceList,
    example: { containing: '' },
    async run({ containing }, context) {
      const [resources, templates] = await ask(own, context, (client, options) =>
        Promise.all([
          client.list('resources', options),
          // Older servers have none, and say so by an error.
          client.list('templates', options).catch(() => []),
        ]),
      )
      const output = {
        resources: matching(resources, 'uri', containing),
        templates: matching(templates, 'uriTemplate', containing),
      }
      return { output, text: listText(output) }
    },
  })
}

function matching(items: readonly JsonObject[], address: 'uri' | 'uriTemplate', containing: string): readonly ResourceLine[] {
  return items.map((item) => lineOf(item, address)).filter((line) => Object.values(line).some((text) => text.includes(containing)))
}

function lineOf(item: JsonObject, address: string): ResourceLine {
  const text = (name: string): string => visible(textOf(ownValue(item, name))).replaceAll('\n', ' ')
  const title = text('title')
  return {
    uri: text(address),
    name: (title === '' ? text('name') : title).slice(0, maxListedChars),
    description: text('description').slice(0, maxListedChars),
    type: text('mimeType').slice(0, maxListedChars),
  }
}

function listText({ resources, templates }: ResourceList): string {
  const lines = (found: readonly ResourceLine[]): readonly string[] => [
    ...found
      .slice(0, maxListedItems)
      .map(({ uri, name, description, type }) => [uri, name, type, description].filter((part) => part !== '').join(' · ')),
    ...(found.length > maxListedItems ? [`… and ${found.length - maxListedItems} more: narrow the list by \`containing\``] : []),
  ]
  const parts = [...lines(resources), ...(templates.length === 0 ? [] : ['Templates, to fill in:', ...lines(templates)])]
  return parts.length === 0 ? 'There are no resources.' : parts.join('\n')
}

const uri = z.string().min(1).max(4_000).describe('Address of the resource, as the list names it.')

function readResource(own: Own): Call {
  return defineCall({
    ...shared(own),
    name: `mcp.${own.server.name}.resource_read`,
    summary: `Reads a resource of the server ${own.server.name}.`,
    input: z.strictObject({ uri }),
    output: z.strictObject({ text: z.string() }),
    example: { uri: 'file:///notes.txt' },
    async run(input, context) {
      const result = await ask(own, context, (client, options) => client.readResource(input.uri, options))
      const { text, files } = await contentsText(result, context.blobs)
      return { output: { text }, text, files }
    },
  })
}

async function contentsText(result: JsonObject, blobs: Blobs): Promise<{ readonly text: string; readonly files: readonly KeptFile[] }> {
  const contents = Array.isArray(result['contents']) ? result['contents'].filter(isObject) : []
  const lines: string[] = []
  const files: KeptFile[] = []
  for (const { text, blob, mimeType } of contents) {
    if (typeof text === 'string') lines.push(text)
    else {
      const file = await keepPicture(textOf(blob), textOf(mimeType), blobs, files.length)
      if (file !== null) files.push(file)
      lines.push(file === null ? `[binary: ${visible(textOf(mimeType)) || 'of no type'}]` : `[picture ${file.name}, ${file.bytes} bytes]`)
    }
  }
  return { text: lines.join('\n').slice(0, maxResultChars).toWellFormed(), files }
}

function waitForResource(own: Own): Call {
  return defineCall({
    ...shared(own),
    name: `mcp.${own.server.name}.resource_wait`,
    summary: `Waits until a resource of the server ${own.server.name} changes, by a subscription.`,
    input: z.strictObject({ uri, wait_s: z.int().min(1).max(maxWaitS).default(60).describe('The longest wait in seconds.') }),
    output: z.strictObject({ changed: z.boolean() }),
    example: { uri: 'file:///notes.txt', wait_s: 60 },
    timeoutMs: (maxWaitS + own.server.settings.timeout_s) * 1_000,
    async run(input, context) {
      const late = AbortSignal.timeout(input.wait_s * 1_000)
      const signal = AbortSignal.any([context.signal, late])
      const changed = await ask(own, context, async (client, options) => {
        try {
          await client.untilChanged(input.uri, { ...options, signal })
          return true
        } catch (error) {
          context.signal.throwIfAborted()
          if (late.aborted) return false
          throw error
        }
      })
      return { output: { changed }, text: changed ? 'It has changed.' : `It did not change within ${input.wait_s} s.` }
    },
  })
}

const listedPrompt = z.strictObject({
  prompt: z.string(),
  description: z.string(),
  values: z.array(z.strictObject({ name: z.string(), description: z.string(), required: z.boolean() })).readonly(),
})

type PromptLine = z.infer<typeof listedPrompt>

function listPrompts(own: Own): Call {
  return defineCall({
    ...shared(own),
    name: `mcp.${own.server.name}.prompt_list`,
    summary: `Lists the prompts of the server ${own.server.name}.`,
    input: z.strictObject({}),
    output: z.strictObject({ prompts: z.array(listedPrompt) }),
    example: {},
    audience: ['terminal'],
    async run(_, context) {
      const found = await ask(own, context, (client, options) => client.list('prompts', options))
      return { output: { prompts: found.map(promptLine) } }
    },
  })
}

function promptLine(item: JsonObject): PromptLine {
  const values = Array.isArray(item['arguments']) ? item['arguments'].filter(isObject) : []
  const { name, description } = lineOf(item, 'name')
  return {
    prompt: visible(textOf(item['name'])),
    description: description === '' ? name : description,
    values: values.map((value) => ({
      name: visible(textOf(value['name'])),
      description: lineOf(value, 'name').description,
      required: value['required'] === true,
    })),
  }
}

function getPrompt(own: Own): Call {
  return defineCall({
    ...shared(own),
    name: `mcp.${own.server.name}.prompt_get`,
    summary: `Reads a prompt of the server ${own.server.name}, which a person may send to an agent.`,
    input: z.strictObject({
      prompt: z.string().min(1).max(200).describe('Its name.'),
      values: z.record(z.string().max(200), z.string().max(100_000)).default({}).describe('Values of its arguments.'),
    }),
    output: z.strictObject({ text: z.string() }),
    example: { prompt: 'review', values: { language: 'TypeScript' } },
    audience: ['terminal'],
    async run({ prompt, values }, context) {
      const { messages } = await ask(own, context, (client, options) => client.getPrompt(prompt, values, options))
      const text = (Array.isArray(messages) ? messages.filter(isObject) : []).map(messageText).join('\n\n')
      return { output: { text: text.slice(0, maxResultChars).toWellFormed() }, text }
    },
  })
}

function messageText({ role, content }: JsonObject): string {
  const { type, text, resource, uri: link } = isObject(content) ? content : {}
  const shown =
    typeof text === 'string'
      ? text
      : isObject(resource)
        ? `[resource ${textOf(resource['uri'])}]\n${textOf(resource['text'])}`
        : `[${textOf(type)} ${textOf(link)}]`
  return visible(role === 'assistant' ? `Assistant: ${shown}` : shown)
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '')
