/** MCP servers that other programs of this machine have, in files like `.mcp.json`. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { isObject, type Json, type JsonObject, ownValue, OxbowError } from '../../base/index.ts'
import type { HostEnv } from '../home.ts'

/** A server in a file of another program. */
export interface ServerInFile {
  readonly server: string
  readonly file: string
  /** As Oxbow writes them, with every value that the file has. */
  readonly settings: JsonObject
}

/** Files of other programs, by the folder in which they lie. */
const ofFolder = ['.mcp.json', '.vscode/mcp.json', '.cursor/mcp.json']
const ofPerson = [
  '.claude.json',
  '.cursor/mcp.json',
  '.codeium/windsurf/mcp_config.json',
  '.config/Claude/claude_desktop_config.json',
  'Library/Application Support/Claude/claude_desktop_config.json',
]
const maxFileChars: number = 1024 * 1024

/** Looks into folders, and the files that the person has for all of them. Files that cannot be read or understood have none. */
export async function findServers(folders: readonly string[], env: HostEnv): Promise<readonly ServerInFile[]> {
  const person = env['HOME'] ?? homedir()
  const files = [...folders.flatMap((folder) => ofFolder.map((name) => join(folder, name))), ...ofPerson.map((name) => join(person, name))]
  const found = await Promise.all([...new Set(files)].map(async (file) => [file, await readFile(file, 'utf8').catch(() => '')] as const))
  return found.flatMap(([file, text]) => {
    try {
      return Object.entries(serversOf(text)).flatMap(([server, settings]) =>
        isObject(settings) ? [{ server, file, settings: ownSettings(settings) }] : [],
      )
    } catch {
      // None, a file with comments, or one of another form.
      return []
    }
  })
}

/** @returns the settings of a name in a file as other programs keep it. @throws OxbowError `bad_input` */
export function settingsIn(text: string, name: string): JsonObject {
  const wrong = (message: string): OxbowError =>
    new OxbowError('bad_input', message, { hint: 'It needs {"mcpServers": {"NAME": {"command": "…", "args": […]}}}, or a "url".' })
  let servers: JsonObject
  try {
    servers = serversOf(text)
  } catch {
    throw wrong('The file is not JSON, or too large.')
  }
  const server = ownValue(servers, name)
  if (!isObject(server)) throw wrong(`The file has no server ${JSON.stringify(name)}.`)
  return ownSettings(server)
}

function serversOf(text: string): JsonObject {
  if (text.length > maxFileChars) throw new Error('too large')
  const parsed = JSON.parse(text) as Json
  // Visual Studio Code calls them `servers`.
  const servers = isObject(parsed) ? (parsed['mcpServers'] ?? parsed['servers']) : undefined
  return isObject(servers) ? servers : {}
}

function ownSettings({ command, args, url, env, headers }: JsonObject): JsonObject {
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
