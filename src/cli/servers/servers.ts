/** `oxbow servers`: servers of tools that speak MCP, and what of them a person approves. */
import { readFile, rm } from 'node:fs/promises'
import { join, resolve as absolute } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { isObject, type Json, type JsonObject, ownValue, OxbowError } from '../../types/index.ts'
import { openHome } from '../../runner/index.ts'
import { withGuest } from '../guest-connection.ts'
import { maxCallInputBytes } from '../limits.ts'
import { isInteractive, printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { plainLine, plainText, promptCall, table } from '../../terminal/index.ts'
import { type CallOptions, type DryRunOptions, outputOf, showDestruction, showOutput } from '../kernel/call.ts'
import {
  addRequest,
  approveRequest,
  type Definition,
  diffRequest,
  listRequest,
  type Offers,
  removeRequest,
  type ServerDiff,
  switchRequest,
} from './server-requests.ts'

const whatChars = 80

export function serversList(options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(listRequest, options, terminal, ({ servers }) => {
    if (servers.length === 0) return 'There is no server of tools. `oxbow servers add` adds one.'
    const rows = servers.map(({ server, from, what, enabled, running, approved, quarantined }) => [
      server,
      enabled ? (running ? 'running' : 'on') : 'off',
      `${approved} approved${quarantined.length === 0 ? '' : `, ${quarantined.length} changed`}`,
      from,
      plainLine(what, whatChars),
    ])
    const logs = servers.filter(({ log }) => log !== '').map(({ server, log }) => `Log of ${server}:\n${plainText(log.trimEnd())}`)
    return [table([['NAME', 'STATE', 'TOOLS', 'FROM', 'RUNS'], ...rows]), ...logs].join('\n\n')
  })
}

export interface AddOptions extends CallOptions {
  readonly url?: string | undefined
  readonly from?: string | undefined
  readonly programFolder?: string | undefined
  readonly folder?: readonly string[] | undefined
  readonly allow?: readonly string[] | undefined
  readonly env?: readonly string[] | undefined
  readonly header?: readonly string[] | undefined
  readonly clientId?: string | undefined
  readonly clientSecret?: string | undefined
  readonly timeout?: number | undefined
  readonly samplingTokens?: number | undefined
}

/** @param words the program and its arguments; empty: of a server with a url, or of a file */
export async function settingsOf(name: string, words: readonly string[], options: AddOptions): Promise<JsonObject> {
  const { url, from, programFolder: programs, folder, allow, env, header, clientId, clientSecret, timeout, samplingTokens } = options
  const [command, ...args] = words
  return {
    ...(from !== undefined && settingsIn(await readFile(from, 'utf8'), name)),
    ...(command !== undefined && { command, args }),
    ...(url !== undefined && { url }),
    ...(programs !== undefined && { program_folder: absolute(programs) }),
    ...(folder !== undefined && { folders: [...folder] }),
    ...(allow !== undefined && { allow: [...allow] }),
    ...(env !== undefined && { env: pairs(env) }),
    ...(header !== undefined && { headers: pairs(header) }),
    ...(clientId !== undefined && { client_id: clientId }),
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
    ...(timeout !== undefined && { timeout_s: timeout }),
    ...(samplingTokens !== undefined && { sampling_tokens: samplingTokens }),
  }
}

export async function serversAdd(name: string, words: readonly string[], options: AddOptions, terminal: Terminal): Promise<number> {
  const settings = await settingsOf(name, words, options)
  return showOutput(addRequest(name, settings), options, terminal, () =>
    [
      `Added ${name}. Nothing of it is offered yet: \`oxbow servers approve ${name}\` shows what it offers.`,
      `Agents need the right for it: "mcp.${name}" in rights under [agent] in config.toml.`,
    ].join('\n'),
  )
}

/** @returns `name=value` as fields */
export function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=')
      return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

/** @returns the settings of a name in a file as other programs keep it. @throws OxbowError `bad_input` */
export function settingsIn(text: string, name: string): JsonObject {
  const wrong = (message: string): OxbowError =>
    new OxbowError('bad_input', message, { hint: 'It needs {"mcpServers": {"NAME": {"command": "…", "args": […]}}}, or a "url".' })
  let parsed: Json
  try {
    if (text.length > maxCallInputBytes) throw new Error('too large')
    parsed = JSON.parse(text) as Json
  } catch {
    throw wrong('The file is no JSON, or too large.')
  }
  // Visual Studio Code calls them `servers`.
  const servers = isObject(parsed) ? (parsed['mcpServers'] ?? parsed['servers']) : undefined
  const server = isObject(servers) ? ownValue(servers, name) : undefined
  if (!isObject(server)) throw wrong(`The file has no server ${JSON.stringify(name)}.`)
  const { command, args, url, env, headers } = server
  const kept = { command, args, url, env, headers }
  const known = Object.entries(kept).flatMap(([key, value]) => (value === undefined ? [] : [[key, dollars(value)] as const]))
  return Object.fromEntries(known)
}

/** `${NAME}` and `${NAME:-default}` as Oxbow writes them: `$NAME`. */
function dollars(value: Json): Json {
  if (typeof value === 'string') return value.replaceAll(/\$\{(\w+)(?::-[^}]*)?\}/g, (_, variable: string) => `$${variable}`)
  if (Array.isArray(value)) return value.map(dollars)
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, dollars(each)])) : value
}

export function serversDiff(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(diffRequest(name), options, terminal, diffText)
}

function diffText({ server, identity, instructions, offers, tools }: ServerDiff): string {
  const parts = [
    ...changed('Runs', identity.approved, identity.now),
    ...changed('Instructions', instructions.approved, instructions.now),
    ...changed('Beside tools', offersText(offers.approved), offersText(offers.now)),
    ...tools.map(({ tool, state, problem, approved, now, read_only: readOnly, sink }) => {
      const marks = [...(readOnly ? ['read-only'] : []), ...(sink ? [] : ['no sink'])]
      const head = `${plainLine(tool, 128)}: ${state}${marks.length === 0 ? '' : `, ${marks.join(', ')}`}`
      if (problem !== '') return `${head}\n  cannot be approved: ${problem}`
      const before = state === 'new' || approved === null ? [] : linesOf(approved)
      const after = now === null ? [] : linesOf(now)
      if (state === 'same') return head
      const lines = [
        ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
        ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
      ]
      // What is hashed but not shown, such as a text behind the first 2 KiB, has changed then.
      return `${head}\n${lines.length === 0 ? '  (the part that is shown is the same)' : lines.join('\n')}`
    }),
  ]
  return `${server} offers ${tools.filter(({ now }) => now !== null).length} tools.\n\n${plainText(parts.join('\n\n'))}`
}

function offersText({ resources, prompts }: Offers): string {
  return [...(resources ? ['resources, which agents may read'] : []), ...(prompts ? ['prompts, which you may use'] : [])].join('; ')
}

function changed(what: string, before: string, now: string): readonly string[] {
  if (before === now) return []
  return [`${what}:${before === '' ? '' : `\n- ${before.replaceAll('\n', '\n- ')}`}\n+ ${now.replaceAll('\n', '\n+ ')}`]
}

function linesOf({ title, description, inputSchema, outputSchema, annotations }: Definition): readonly string[] {
  const { properties, ...rest } = inputSchema
  return [
    ...(title === '' ? [] : [`title: ${title}`]),
    ...description.split('\n'),
    ...(isObject(properties) ? Object.entries(properties).map(([field, schema]) => `input ${field}: ${JSON.stringify(schema)}`) : []),
    `input: ${JSON.stringify(rest)}`,
    ...(outputSchema === null ? [] : [`output: ${JSON.stringify(outputSchema)}`]),
    ...(Object.keys(annotations).length === 0 ? [] : [`claims of the server: ${JSON.stringify(annotations)}`]),
  ]
}

export interface ApproveOptions extends CallOptions {
  readonly tool?: readonly string[] | undefined
  readonly readOnly?: readonly string[] | undefined
  readonly notSink?: readonly string[] | undefined
  readonly digest?: string | undefined
  readonly resources?: boolean | undefined
  readonly prompts?: boolean | undefined
}

/** @returns 0 also when the person does not approve */
export function serversApprove(name: string, options: ApproveOptions, terminal: Terminal): Promise<number> {
  const { tool, readOnly, notSink, digest: seen, json, resources, prompts } = options
  return withGuest(options, terminal, async ({ gateway }) => {
    let digest = seen
    if (digest === undefined) {
      const diff = await outputOf(gateway, ...diffRequest(name))
      printText({ output: terminal.errors }, diffText(diff))
      if (!(await confirmApproval(name, seenBefore(name), terminal))) return 0
      digest = diff.digest
    }
    const input = {
      server: name,
      digest,
      ...(tool !== undefined && { tools: [...tool] }),
      ...(readOnly !== undefined && { read_only: [...readOnly] }),
      ...(notSink !== undefined && { no_sink: [...notSink] }),
      // The verbs have only --no-resources and --no-prompts.
      ...(resources === false && { resources }),
      ...(prompts === false && { prompts }),
    }
    const output = await outputOf(gateway, ...approveRequest(input))
    if (json === true) printLine(terminal, JSON.stringify(output))
    else printLine(terminal, `Approved: ${output.approved.length} tools. Agents with the right mcp.${name} are offered them.`)
    return 0
  })
}

const seenBefore = (name: string): string =>
  `oxbow servers diff ${name} --json shows it; then: oxbow servers approve ${name} --digest DIGEST`

/** Asks the person. @param elsewhere how to approve without a terminal @throws OxbowError `bad_input` where there is none */
export async function confirmApproval(name: string, elsewhere: string, terminal: Terminal): Promise<boolean> {
  if (!isInteractive(terminal))
    throw new OxbowError('bad_input', 'Approving needs a terminal, or the digest of what you have seen.', {
      hint: elsewhere,
    })
  const lines = createInterface({ input: terminal.input, output: terminal.errors })
  try {
    const answer = await lines.question(`Approve what ${name} offers? [y/N] `)
    if (/^y(es)?$/i.test(answer.trim())) return true
    printNotice(terminal, 'Nothing was approved.')
    return false
  } finally {
    lines.close()
  }
}

/** Of a call that the server has added, of which only its own description says what it returns. */
interface Prompts {
  readonly prompts: readonly {
    readonly prompt: string
    readonly description: string
    readonly values: readonly { readonly name: string; readonly description: string; readonly required: boolean }[]
  }[]
}

export function serversPrompts(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  const show = ({ prompts }: Prompts): string =>
    prompts.length === 0
      ? `${name} has no prompts.`
      : plainText(
          prompts
            .map(({ prompt, description, values }) =>
              [
                `${prompt}  ${description}`,
                ...values.map((value) => `  ${value.name}=…  ${value.description}${value.required ? ' (required)' : ''}`),
              ].join('\n'),
            )
            .join('\n'),
        )
  return showOutput([`mcp.${name}.prompt_list`, {}], options, terminal, (output) => show(output as unknown as Prompts))
}

export function serversPrompt(words: readonly string[], options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(promptCall(words), options, terminal, (output) => plainText((output as unknown as { text: string }).text))
}

/** How long a person has to sign in. */
const loginMs = 300_000

export function serversLogin(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { createServer } = process.getBuiltinModule('node:http')
    const answered = Promise.withResolvers<string>()
    const listener = createServer((request, response) => {
      const { pathname, search } = new URL(request.url ?? '/', 'http://127.0.0.1')
      const isAnswer = request.method === 'GET' && pathname === '/callback' && search !== ''
      response.writeHead(isAnswer ? 200 : 404, { 'content-type': 'text/plain', connection: 'close' })
      response.end(isAnswer ? 'Signed in. You can close this page.' : 'Nothing is here.')
      if (isAnswer) answered.resolve(search)
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const timer = setTimeout(() => answered.reject(tooLate(name)), loginMs)
    try {
      const { port } = listener.address() as { port: number }
      const input = { server: name, redirect_url: `http://127.0.0.1:${port}/callback` }
      const { url } = await outputOf(gateway, 'server.login', input)
      if (url !== '') {
        printNotice(terminal, `Open this address in your browser and sign in:\n${url}`)
        await outputOf(gateway, 'server.login_end', { server: name, answer: await answered.promise })
      }
      if (options.json === true) printLine(terminal, JSON.stringify({ signed_in: true }))
      else printLine(terminal, url === '' ? `${name} lets everybody in.` : `Signed in to ${name}.`)
      return 0
    } finally {
      clearTimeout(timer)
      listener.close()
      listener.closeAllConnections()
    }
  })
}

function tooLate(name: string): OxbowError {
  return new OxbowError('timeout', `Nobody signed in within ${loginMs / 60_000} minutes.`, {
    hint: `Begin again: oxbow servers login ${name}`,
  })
}

export function serversSwitch(name: string, enabled: boolean, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(switchRequest(name, enabled), options, terminal, () =>
    enabled ? `${name} is on.` : `${name} is off; its tools are not offered.`,
  )
}

/** Where the programs of servers are installed, a folder for each. */
export function programFolder(env: Terminal['env'], server: string): string {
  return join(openHome(env).root, 'servers', server)
}

export async function serversRemove(name: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  const removed = (output: { removed: boolean }): string =>
    output.removed ? `Removed ${name}.` : `${name} is one of config.toml and stays; nothing of it is approved any more.`
  const code = await showDestruction(removeRequest(name), options, terminal, removed, async (gateway) => {
    const { servers } = await outputOf(gateway, ...listRequest)
    const target = servers.find(({ server }) => server === name)
    if (target === undefined)
      throw new OxbowError('not_found', `There is no server ${JSON.stringify(name)}.`, { hint: '`oxbow servers list` lists them.' })
    return { would: `remove the server ${plainLine(name, whatChars)} and what was approved of it`, target }
  })
  if (code === 0 && options.dryRun !== true && /^[a-z][a-z0-9-]*$/.test(name))
    await rm(programFolder(terminal.env, name), { recursive: true, force: true })
  return code
}
