/** `oxbow servers add`, `remove`, `login` and their prompts; what a server offers is looked at and approved by verbs of its calls. */
import { resolve as absolute } from 'node:path'
import { isOxbowError, type JsonObject, OxbowError } from '../../base/index.ts'
import { loadServerPrograms, openHome } from '../../runner/index.ts'
import { withGuest, outputOf } from '../guest-connection.ts'
import { readNamed } from '../own-files.ts'
import { printAnswer, printNotice, printPreview, type Terminal } from '../terminal.ts'
import { plainLine, plainText, promptCall, removeServer } from '../../terminal/index.ts'
import { type CallOptions, type DryRunOptions, showOutput } from '../kernel/call.ts'
import { pairs } from '../verb-fields.ts'

const whatChars = 80

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
    ...(from !== undefined && (await settingsFrom(from, name))),
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

async function settingsFrom(file: string, name: string): Promise<JsonObject> {
  const text = await readNamed(file, 'Name the file in which another program keeps its servers.')
  return (await loadServerPrograms()).settingsIn(text, name)
}

export async function serversAdd(name: string, words: readonly string[], options: AddOptions, terminal: Terminal): Promise<number> {
  const settings = await settingsOf(name, words, options)
  return showOutput(['server.add', { server: name, settings }], options, terminal, () =>
    [
      `Added ${name}. Nothing of it is offered yet: \`oxbow servers approve ${name}\` shows what it offers.`,
      `Agents need the right for it: "mcp.${name}" in rights under [agent] in config.toml.`,
    ].join('\n'),
  )
}

interface PromptLine {
  readonly prompt: string
  readonly description: string
  readonly values: readonly { readonly name: string; readonly description: string; readonly required: boolean }[]
}

export function serversPrompts(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  const show = ({ prompts }: { prompts: readonly PromptLine[] }): string =>
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
  return showOutput([`mcp.${name}.prompt_list`, {}], options, terminal, (output) =>
    show(output as unknown as { prompts: readonly PromptLine[] }),
  ).catch(noPrompts(name))
}

export function serversPrompt(words: readonly string[], options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(promptCall(words), options, terminal, (output) => plainText((output as unknown as { text: string }).text)).catch(
    noPrompts(words[0] ?? ''),
  )
}

/** The prompts of a server are calls once they are approved. */
function noPrompts(server: string): (error: unknown) => never {
  return (error) => {
    if (!isOxbowError(error, 'unknown_call')) throw error
    throw new OxbowError('not_found', `No prompts are approved of a server ${JSON.stringify(server)}.`, {
      hint: `\`oxbow servers approve ${plainLine(server, whatChars)}\` shows what it offers; \`oxbow servers list\` lists servers.`,
      cause: error,
    })
  }
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
      return printAnswer({ signed_in: true }, url === '' ? `${name} lets everybody in.` : `Signed in to ${name}.`, options, terminal)
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

export function serversRemove(name: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    if (options.dryRun === true) {
      const { servers } = await outputOf(gateway, 'server.list', {})
      const target = servers.find(({ server }) => server === name)
      if (target === undefined)
        throw new OxbowError('not_found', `There is no server ${JSON.stringify(name)}.`, {
          hint: '`oxbow servers list` shows them; `oxbow servers add` adds one.',
        })
      return printPreview({ would: removeServer(name, target.from === 'config.toml').would, target }, options, terminal)
    }
    const output = await outputOf(gateway, 'server.remove', { server: name })
    await (await loadServerPrograms()).removeServerProgram(openHome(terminal.env), name)
    return printAnswer(output, removeServer(name, !output.removed).done, options, terminal)
  })
}
