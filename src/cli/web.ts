/** `oxbow web`: prints a link that signs a browser in, and opens it. In a checkout it first builds the application if its sources are newer. */
import { spawn } from 'node:child_process'
import { existsSync, globSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { findGuest } from '../runner/index.ts'
import { ownValue, OxbowError } from '../base/index.ts'
import { type GuestChoice, guestSetup } from './guest-connection.ts'
import { printLine, printNotice, printText, type Terminal } from './terminal.ts'
import { start } from './verbs/serve.ts'

interface WebOptions extends GuestChoice {
  /** False with `--no-open`. */
  readonly open: boolean
  readonly json?: boolean | undefined
}

export async function web(options: WebOptions, terminal: Terminal): Promise<number> {
  // A configuration that cannot be used is reported before anything is built.
  const { workspace } = guestSetup(options, terminal)
  if (isCheckout && !isFresh(builtFolder)) {
    printNotice(terminal, 'notice: building the web application, which takes some seconds')
    await buildWeb(builtFolder)
  }
  if ((await findGuest(workspace)) === null) await start(options, { ...terminal, output: terminal.errors })
  const guest = await findGuest(workspace)
  if (guest === null) throw new OxbowError('guest_unreachable', 'Oxbow does not run.', { hint: 'Start it: oxbow start' })
  const own = addressOf(guest.url)
  // In a cluster the page is at the door, which leads to the guest wherever it goes.
  const { code, expires_in_s: expiresInS, address = own } = await askForCode(own, guest.token)
  const link = `${address}/#sign-in=${code}`
  const isOpened = options.open && openBrowser(link, terminal)
  if (options.json === true) printLine(terminal, JSON.stringify({ url: link, address, expires_in_s: expiresInS, opened: isOpened }))
  else {
    printLine(terminal, link)
    const opened = isOpened ? 'Opened in the browser. ' : ''
    printText(
      terminal,
      `${opened}The link signs one browser in and works for ${expiresInS / 60} minutes; after that the page is at ${address}.`,
    )
  }
  return 0
}

/** Every address of the machine is reached on loopback. */
function addressOf(url: string): string {
  const { protocol, hostname, port } = new URL(url)
  const host = hostname === '0.0.0.0' || hostname === '[::]' ? '127.0.0.1' : hostname
  return `${protocol === 'wss:' ? 'https' : 'http'}://${host}:${port}`
}

interface LinkCode {
  readonly code: string
  readonly expires_in_s: number
  readonly address?: string
}

async function askForCode(address: string, token: string): Promise<LinkCode> {
  const response = await fetch(`${address}/web/link`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
  if (response.ok) return (await response.json()) as LinkCode
  throw new OxbowError('guest_unreachable', `The running Oxbow makes no link (HTTP ${response.status}).`, {
    hint: 'It may be of an older version: oxbow restart, then oxbow web.',
  })
}

/** @returns whether a browser was asked to open it; never waits for it */
function openBrowser(link: string, { env }: Pick<Terminal, 'env'>): boolean {
  const hasDisplay = process.platform !== 'linux' || [env['DISPLAY'], env['WAYLAND_DISPLAY']].some(Boolean)
  if (!hasDisplay) return false
  const [program, ...args] = ownValue({ darwin: ['open'], win32: ['cmd', '/c', 'start', ''] }, process.platform) ?? ['xdg-open']
  const child = spawn(program, [...args, link], { detached: true, stdio: 'ignore', env: { ...env } })
  // Without such a program the printed link remains.
  child.once('error', () => {})
  child.unref()
  return true
}

// A checkout has the sources of the page; an installed package has the built files.
const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const isCheckout = import.meta.url.endsWith('.ts')
const builtFolder = join(root, 'dist/web')
const sources = ['web/**/*', 'src/client/*.ts', 'src/terminal/*.ts', 'src/{base,protocol,config}/**/*.ts', 'package-lock.json']

/** @returns whether the files in the folder were built from the sources as they are */
export function isFresh(folder: string): boolean {
  const builtAt = statSync(join(folder, 'index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  return globSync(sources, { cwd: root }).every((file) => statSync(join(root, file)).mtimeMs < builtAt)
}

/** Builds the application. The folder is replaced at the end, so that a page that is being loaded gets either build whole. */
export async function buildWeb(folder: string): Promise<void> {
  // A development dependency, never part of an installation: named by a variable so that no bundler includes it.
  const file = join(root, 'node_modules/vite/dist/node/index.js')
  if (!existsSync(file))
    throw new OxbowError('bad_config', 'The web application is not built, and its bundler is not installed.', {
      hint: 'Run npm ci with development dependencies, then oxbow web.',
    })
  const { build } = (await import(pathToFileURL(file).href)) as typeof import('vite')
  const draft = `${folder}.${process.pid}`
  try {
    await build({ configFile: join(root, 'web/vite.config.ts'), logLevel: 'error', build: { outDir: draft } })
    rmSync(folder, { recursive: true, force: true })
    renameSync(draft, folder)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}
