/** `oxbow image build`: builds the image of the container tier, or with --vm of the micro VM tier, from files of this machine. The guest program does the work. */
import { resolve } from 'node:path'
import { askOffline } from '../../runner/index.ts'
import { type ImageExtra, imageExtras, type ImageReport, OxbowError } from '../../types/index.ts'
import { type GuestChoice, guestSetup } from '../guest-connection.ts'
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { plainText } from '../../terminal/index.ts'

export interface ImageOptions extends GuestChoice {
  readonly with?: string | undefined
  readonly engine?: string | undefined
  readonly vm?: boolean | undefined
  readonly kernel?: string | undefined
  readonly json?: boolean | undefined
}

/** @returns 0. @throws OxbowError `bad_input` for an unknown value, or the failure that the guest reports */
export async function imageBuild(options: ImageOptions, terminal: Terminal): Promise<number> {
  const image = { extras: parseExtras(options.with), ...parseEngine(options.engine), ...parseVm(options) }
  let report: ImageReport | null = null
  if (options.json !== true) printNotice(terminal, 'Copying programs and libraries of this machine …')
  for await (const line of askOffline(guestSetup(options, terminal), { command: 'image-build', image })) report = line as ImageReport
  if (report === null) throw new OxbowError('guest_unreachable', 'the guest returned no report', { hint: 'See logs/guest.log.' })
  if (options.json === true) printLine(terminal, JSON.stringify(report))
  else for (const line of describe(report)) printText(terminal, plainText(line))
  return 0
}

function describe({ engine, image, made, removed, others, ms }: ImageReport): readonly string[] {
  const seconds = `${(ms / 1000).toFixed(1)} s`
  const what = made === null ? `${engine} already has it` : `${made.files} files, ${(made.bytes / 1e6).toFixed(0)} MB, in ${seconds}`
  const tier = engine === 'QEMU' ? 'micro_vm' : 'container'
  const gone = removed === 0 ? [] : [`Removed ${removed} older ${removed === 1 ? 'image' : 'images'} of this home.`]
  const left =
    others.length === 0 ? [] : [`Other versions of Oxbow left ${others.length}. Remove them with: ${engine} rmi ${others.join(' ')}`]
  return [
    `${image}  ${what}`,
    ...gone,
    ...left,
    'To use it, set in config.toml:',
    '  [sandbox]',
    `  tier = "${tier}"`,
    'Test it with oxbow doctor.',
  ]
}

function parseVm({ vm, kernel, engine }: ImageOptions): { vm?: { kernel: string } } {
  if (vm === true && engine === undefined) return { vm: { kernel: kernel === undefined ? '' : resolve(kernel) } }
  if (vm !== true && kernel === undefined) return {}
  throw new OxbowError('bad_input', vm === true ? '--engine is for containers' : '--kernel is for micro VMs', {
    hint: 'Give --vm with --kernel, or --engine, or neither.',
  })
}

function parseExtras(text = ''): readonly ImageExtra[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const unknown = names.filter((name) => !imageExtras.some((extra) => extra === name))
  if (unknown.length === 0) return imageExtras.filter((extra) => names.includes(extra))
  throw new OxbowError('bad_input', `--with does not support ${unknown.join(', ')}`, {
    hint: `Give any of ${imageExtras.join(', ')}, separated by commas.`,
  })
}

function parseEngine(text: string | undefined): { engine?: 'podman' | 'docker' } {
  if (text === undefined) return {}
  if (text === 'podman' || text === 'docker') return { engine: text }
  throw new OxbowError('bad_input', `--engine does not support ${text}`, { hint: 'Give podman or docker.' })
}
