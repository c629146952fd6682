/**
 * What a JavaScript tool finds in its world: `oxbow.call(name, input)`, `oxbow.read(path)`, `oxbow.write(path, text)`,
 * `oxbow.list(path)` and `console`. Each is one string in and one string out; what goes wrong is thrown inside as an Error with
 * `code` and `hint`.
 */
import { Directory, OpenFile, wasi } from '@bjorn3/browser_wasi_shim'
import type { Json } from '../../../types/index.ts'
import { maxToolInputBytes } from '../../limits.ts'
import type { OutputWriter } from '../tool-output.ts'
import type { HostReply } from '../worker-message.ts'
import type { CallHost } from './host-bridge.ts'
import { failed, quoted, type Failed } from './tool-failure.ts'
import type { MountedFolder } from './tool-tree.ts'

interface DoorParts {
  readonly mounts: readonly MountedFolder[]
  readonly callHost: CallHost
  readonly stdout: OutputWriter
  readonly stderr: OutputWriter
}

/** Runs inside the interpreter before the tool does, and keeps what it needs of it. @returns a function that calls the tool. */
export const scriptPrelude: string = `(door) => {
  const { parse, stringify } = JSON
  const { hasOwn } = Object
  const text = String
  const ask = (...words) => {
    const reply = parse(door(...words))
    if (!hasOwn(reply, 'error')) return reply.ok
    const { code, message, hint } = reply.error
    throw Object.assign(new Error(message), { code, hint })
  }
  const print = (where) => (...parts) => {
    ask(where, parts.map((part) => typeof part === 'string' ? part : (stringify(part) ?? text(part))).join(' ') + '\\n')
  }
  globalThis.console = { log: print('log'), info: print('log'), debug: print('log'), warn: print('error'), error: print('error') }
  globalThis.oxbow = Object.freeze({
    call: (name, input = null) => ask('call', text(name), stringify(input) ?? 'null'),
    read: (path) => ask('read', text(path)),
    write: (path, content) => ask('write', text(path), text(content)),
    list: (path) => ask('list', text(path)),
  })
  return async (tool, input) => stringify(await tool(parse(input))) ?? 'null'
}`

/** @returns a function that takes the words of a request and gives a `HostReply` as JSON. */
export function createScriptDoor({ mounts, callHost, stdout, stderr }: DoorParts): (words: readonly string[]) => string {
  const encoder = new TextEncoder()
  const print = (write: OutputWriter, text: string): Json => {
    write(encoder.encode(text))
    return null
  }
  const answer = (value: Json | Failed): string => {
    const reply: HostReply = isProblem(value) ? { error: value.failure } : { ok: value }
    return JSON.stringify(reply)
  }
  return ([verb = '', first = '', second = '']) => {
    switch (verb) {
      case 'call':
        return callHost(first, second)
      case 'read':
        return answer(readText(mounts, first))
      case 'write':
        return answer(writeText(mounts, first, encoder.encode(second)))
      case 'list':
        return answer(listFolder(mounts, first))
      default:
        return answer(print(verb === 'log' ? stdout : stderr, first))
    }
  }
}

/** JSON has no value with this key here: replies of the three below are strings, lists and null. */
function isProblem(value: Json | Failed): value is Failed {
  return typeof value === 'object' && value !== null && 'failure' in value
}

const readRight = BigInt(wasi.RIGHTS_FD_READ)
const writeRight = BigInt(wasi.RIGHTS_FD_WRITE)

function readText(mounts: readonly MountedFolder[], path: string): Json | Failed {
  const place = placeOf(mounts, path)
  if (place === null) return outside(path)
  const { ret, fd_obj: file } = place.mount.open.path_open(0, place.inside, 0, readRight, 0n, 0)
  if (!(file instanceof OpenFile)) return problemOf(ret, path)
  const { data } = file.file
  if (data.length > maxToolInputBytes)
    return failed('limit_reached', `${quoted(path)} is too large to be read as one text.`, 'A wasi tool can.')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data)
  } catch {
    return failed('not_text', `${quoted(path)} is no UTF-8 text.`, 'A wasi tool can read bytes.')
  }
}

/** Makes the folders on the way. */
function writeText(mounts: readonly MountedFolder[], path: string, bytes: Uint8Array): Json | Failed {
  const place = placeOf(mounts, path)
  if (place === null) return outside(path)
  const { open } = place.mount
  const names = place.inside.split('/')
  for (let depth = 1; depth < names.length; depth += 1) open.path_create_directory(names.slice(0, depth).join('/'))
  const { ret, fd_obj: file } = open.path_open(0, place.inside, wasi.OFLAGS_CREAT | wasi.OFLAGS_TRUNC, writeRight, 0n, 0)
  if (!(file instanceof OpenFile)) return problemOf(ret, path)
  const written = file.fd_write(bytes)
  return written.ret === wasi.ERRNO_SUCCESS ? null : problemOf(written.ret, path)
}

/** Names in order; those of folders end with `/`. */
function listFolder(mounts: readonly MountedFolder[], path: string): Json | Failed {
  const place = placeOf(mounts, path)
  if (place === null) return outside(path)
  const { ret, inode_obj: folder } = place.mount.open.path_lookup(place.inside, 0)
  if (!(folder instanceof Directory)) return problemOf(ret, path)
  return [...folder.contents].map(([name, inode]) => (inode instanceof Directory ? `${name}/` : name)).sort()
}

function placeOf(mounts: readonly MountedFolder[], path: string): { readonly mount: MountedFolder; readonly inside: string } | null {
  for (const mount of mounts) {
    if (path === mount.guest) return { mount, inside: '.' }
    if (path.startsWith(`${mount.guest}/`)) return { mount, inside: path.slice(mount.guest.length + 1) }
  }
  return null
}

const outside = (path: string): Failed =>
  failed('path_refused', `${quoted(path)} is in no mount.`, 'Give a whole path in a mounted folder.')

function problemOf(errno: number, path: string): Failed {
  const name = quoted(path)
  switch (errno) {
    case wasi.ERRNO_NOENT:
      return failed('not_found', `${name} does not exist.`, 'oxbow.list(folder) says what does.')
    case wasi.ERRNO_ROFS:
      return failed('denied', `${name} is in a read-only mount.`, 'Write into a mount that is rw.')
    case wasi.ERRNO_NOSPC:
    case wasi.ERRNO_FBIG:
    case wasi.ERRNO_NAMETOOLONG:
      return failed('limit_reached', `${name} cannot be written: the files of this run have a limit.`, 'Write less.')
    default:
      return failed('path_refused', `${name} leaves its mount or is not what was asked for.`, 'Files are read and written, folders listed.')
  }
}
