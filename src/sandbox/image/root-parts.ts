/**
 * What goes into the root of an isolated machine or container, by the name a person asks for it with: programs and folders of
 * this machine, nothing from a network.
 */
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ImageExtra } from '../../types/index.ts'
import { findBrowser } from '../browser/find-browser.ts'

export type RootExtra = ImageExtra

/** The place of a file or folder inside, and where it comes from. */
export interface RootPart {
  readonly path: string
  readonly source: string
}

interface ExtraParts {
  readonly programs: readonly string[]
  /** For what is no program of the search path. */
  readonly isThere?: () => boolean
  /** Debian package. */
  readonly install: string
  /** Further files and folders; the libraries of each are found. */
  readonly parts: () => readonly RootPart[]
}

export const extraParts: Readonly<Record<RootExtra, ExtraParts>> = {
  ripgrep: { programs: ['rg'], install: 'ripgrep', parts: () => [] },
  bash: { programs: ['bash'], install: 'bash', parts: () => [] },
  git: {
    programs: ['git'],
    install: 'git',
    parts: () => [...inPlace('/usr/lib/git-core', '/usr/libexec/git-core', '/usr/share/git-core/templates')],
  },
  // Its command is a script that looks for things of a desktop: the program itself is what is started.
  browser: { programs: [], install: 'chromium', isThere: () => !('code' in findBrowser({ program: '' })), parts: browserParts },
  python: { programs: ['python3'], install: 'python3-minimal', parts: pythonLibrary },
}

/** What every root has where this machine has it: certificates for the proxy, descriptions of terminals. */
export function commonParts(): readonly RootPart[] {
  const terminals = ['d/dumb', 'l/linux', 's/screen', 't/tmux', 'v/vt100', 'x/xterm', 'x/xterm-256color']
  const descriptions = terminals.flatMap((name) => {
    const source = ['/usr/share/terminfo', '/lib/terminfo'].map((folder) => join(folder, name)).find((path) => existsSync(path))
    return source === undefined ? [] : [{ path: `/usr/share/terminfo/${name}`, source }]
  })
  return [...inPlace('/etc/ssl/certs/ca-certificates.crt'), ...descriptions]
}

function inPlace(...paths: readonly string[]): readonly RootPart[] {
  return paths.filter((path) => existsSync(path)).map((path) => ({ path, source: path }))
}

/** Chromium, the fonts that pages are drawn with, and the libraries that it opens by name: no list of needed ones has them. */
function browserParts(): readonly RootPart[] {
  const found = findBrowser({ program: '' })
  if ('code' in found) return []
  const named = ['/usr/lib/x86_64-linux-gnu/nss', '/usr/lib/aarch64-linux-gnu/nss', '/usr/lib64/nss']
  return inPlace(dirname(found.program), '/etc/fonts', '/usr/share/fonts', '/usr/share/fontconfig', ...named)
}

/** Python looks for its library by its own version, beside its program. */
function pythonLibrary(): readonly RootPart[] {
  const program = existsSync('/usr/bin/python3') ? realpathSync('/usr/bin/python3') : ''
  const [, version] = /python(3\.\d+)$/.exec(program) ?? []
  return version === undefined ? [] : inPlace(`/usr/lib/python${version}`)
}

/** Left out of copied folders: what no machine without a desktop, a compiler or a network of its own can use. */
export function isLeftOut(name: string): boolean {
  return leftOut.has(name) || name.startsWith('config-3')
}

const leftOut: ReadonlySet<string> = new Set([
  'test',
  'tests',
  'idlelib',
  'tkinter',
  'turtledemo',
  'ensurepip',
  'git-daemon',
  'git-http-backend',
  'git-http-push',
  'git-http-fetch',
  'git-imap-send',
  'scalar',
  'git-instaweb',
])

/** Programs ask who they are and what the system is; without these files `git` and many a script fail over it. */
export function accountFiles(uid: number): readonly { readonly path: string; readonly text: string }[] {
  return [
    { path: '/etc/passwd', text: `root:x:0:0:root:/:/bin/false\nagent:x:${uid}:${uid}:agent:/tmp:/bin/sh\n` },
    { path: '/etc/group', text: `root:x:0:\nagent:x:${uid}:\n` },
    { path: '/etc/nsswitch.conf', text: 'passwd: files\ngroup: files\nhosts: files dns\n' },
    { path: '/etc/os-release', text: 'ID=oxbow\nNAME="Oxbow"\nPRETTY_NAME="Oxbow sandbox"\n' },
  ]
}
