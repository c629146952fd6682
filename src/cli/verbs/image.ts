/** `oxbow image build`, `list` and `remove`: images of the container tier and of the micro VM tier, from files of this machine. The guest program does the work. */
import { resolve } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import { type ImageExtra, imageExtras, type ImageList, type ImageQuestion, type ImageReport, type KeptImage } from '../../config/index.ts'
import { type GuestChoice, guestSetup, reportOf } from '../guest-connection.ts'
import { printLine, printList, printNotice, printPreview, printText, type Terminal } from '../terminal.ts'
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
  const image = { ask: 'build', extras: parseExtras(options.with), ...parseEngine(options.engine), ...parseVm(options) } as const
  if (options.json !== true) printNotice(terminal, 'Building an image of programs and libraries of this machine …')
  const report = await ask<ImageReport>(image, options, terminal)
  if (options.json === true) printLine(terminal, JSON.stringify(report))
  else for (const line of describe(report, image.extras === null)) printText(terminal, plainText(line))
  return 0
}

/** @returns 0 */
export async function imageList(options: GuestChoice & { readonly json?: boolean | undefined }, terminal: Terminal): Promise<number> {
  const { images, problem } = await ask<ImageList>({ ask: 'list' }, options, terminal)
  if (problem !== '') printNotice(terminal, `Images for containers are not listed: ${problem}`)
  const shown = {
    text: (): string => plainText(images.map(lineOf).join('\n')),
    empty: 'This home has built no image. Build one with oxbow image build.',
  }
  return printList(images, shown, options, terminal)
}

/** @returns 0. @throws OxbowError `not_found`, or `sandbox_failed` where one is in use */
export async function imageRemove(
  names: readonly string[],
  options: GuestChoice & { readonly json?: boolean | undefined; readonly dryRun?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  const dryRun = options.dryRun === true
  const { images } = await ask<ImageList>({ ask: 'remove', names, dryRun }, options, terminal)
  if (dryRun)
    return printPreview({ would: plainText(`remove ${images.map(({ name }) => name).join(', ')}`), target: images }, options, terminal)
  for (const image of images) printLine(terminal, options.json === true ? JSON.stringify(image) : plainText(`Removed ${image.name}.`))
  return 0
}

function lineOf({ kind, name, bytes, with: extras, used }: KeptImage): string {
  const tier = kind === 'vm' ? 'micro VMs' : 'containers'
  const parts = [`for ${tier}`, `${(bytes / 1e6).toFixed(0)} MB`, extras.length === 0 ? 'nothing added' : `with ${extras.join(', ')}`]
  return `${name}  ${parts.join(' · ')}${used ? ' · newest' : ''}`
}

function ask<Report extends ImageReport | ImageList>(images: ImageQuestion, options: GuestChoice, terminal: Terminal): Promise<Report> {
  return reportOf<Report>(guestSetup(options, terminal), { command: 'images', images })
}

/** @param isKept whether nothing was chosen now, so that the last choice counts */
function describe({ engine, image, with: extras, made, removed, others, ms }: ImageReport, isKept: boolean): readonly string[] {
  const seconds = `${(ms / 1000).toFixed(1)} s`
  const what = made === null ? `${engine} already has it` : `${made.files} files, ${(made.bytes / 1e6).toFixed(0)} MB, in ${seconds}`
  const tier = engine === 'QEMU' ? 'micro_vm' : 'container'
  const gone = removed === 0 ? [] : [`Removed ${removed} older ${removed === 1 ? 'image' : 'images'} of this home.`]
  const left =
    others.length === 0 ? [] : [`Other versions of Oxbow left ${others.length}. Remove them with: ${engine} rmi ${others.join(' ')}`]
  const chosen = isKept ? ', as chosen before; --with none leaves them out' : ''
  return [
    `${image}  ${what}`,
    ...(extras.length === 0 ? [] : [`With ${extras.join(', ')}${chosen}.`]),
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

/** @returns null where nothing was chosen */
function parseExtras(text: string | undefined): readonly ImageExtra[] | null {
  if (text === undefined) return null
  if (text.trim() === 'none') return []
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const unknown = names.filter((name) => !imageExtras.some((extra) => extra === name))
  if (unknown.length === 0) return imageExtras.filter((extra) => names.includes(extra))
  throw new OxbowError('bad_input', `--with does not support ${unknown.join(', ')}`, {
    hint: `Give any of ${imageExtras.join(', ')}, separated by commas, or none.`,
  })
}

function parseEngine(text: string | undefined): { engine?: 'podman' | 'docker' } {
  if (text === undefined) return {}
  if (text === 'podman' || text === 'docker') return { engine: text }
  throw new OxbowError('bad_input', `--engine does not support ${text}`, { hint: 'Give podman or docker.' })
}
