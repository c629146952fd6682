/** `oxbow upgrade` and `oxbow downgrade`: what they say and ask; what they do is `src/runner/upgrade/`. */
import { loadConfig, loadUpgrade, openHome, openWorkspace, parseUser, type UpgradeReport } from '../../runner/index.ts'
import { OxbowError } from '../../base/index.ts'
import { formatMs, plainText, table } from '../../terminal/index.ts'
import { isYes } from '../input.ts'
import { exitOf, isInteractive, printFailure, printLine, printList, printNotice, printText, type Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'

interface ChangeOptions {
  readonly dryRun?: boolean | undefined
  readonly json?: boolean | undefined
}

export async function upgrade(
  version: string | undefined,
  options: ChangeOptions & { readonly from?: string | undefined; readonly list?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  if (options.list === true) return listed(options, terminal)
  const { finishInterrupted, upgradeTo } = await loadUpgrade()
  const place = placeOf(options, terminal)
  const finished = options.dryRun === true ? null : await finishInterrupted(place, 'upgrade')
  const report = finished ?? (await upgradeTo(place, { version, from: options.from, isTrial: options.dryRun === true }))
  return sayChanged(report, options, terminal)
}

export async function downgrade(
  version: string | undefined,
  options: ChangeOptions & { readonly yes?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  const { downgradeTo, finishInterrupted, planDowngrade } = await loadUpgrade()
  const place = placeOf(options, terminal)
  const finished = options.dryRun === true ? null : await finishInterrupted(place, 'downgrade')
  if (finished !== null) return sayChanged(finished, options, terminal)
  const plan = await planDowngrade(place, { version })
  if (options.json !== true) {
    const reads =
      plan.lost.length === 0
        ? `${plan.to.version} reads everything that ${plan.from.version} has written.`
        : `${plan.to.version} cannot read:`
    printText(terminal, plainText([reads, ...plan.lost.map((line) => `  ${line}`)].join('\n')))
  }
  if (plan.lost.length > 0 && options.yes !== true && options.dryRun !== true) {
    if (options.json === true || !isInteractive(terminal))
      throw new OxbowError(
        'bad_input',
        `${plan.to.version} cannot read all that ${plan.from.version} has written: ${plan.lost.join(' ')}`,
        {
          hint: 'Add --yes to go back all the same; nothing is lost for the newer version.',
        },
      )
    if (!(await isYes(`Go back to ${plan.to.version}?`, terminal))) return 0
  }
  const report = await downgradeTo(place, plan, options.dryRun === true)
  return sayChanged(report, options, terminal, plan.lost)
}

async function listed({ json }: ChangeOptions, terminal: Terminal): Promise<number> {
  const { listVersions } = await loadUpgrade()
  const list = listVersions({ home: openHome(terminal.env), env: terminal.env })
  const text = (versions: typeof list): string =>
    plainText(table(versions.map(({ version, running, root }) => [running ? '*' : '', version, root])))
  return printList(list, { text }, { json }, terminal)
}

function placeOf({ json }: ChangeOptions, terminal: Terminal) {
  const home = openHome(terminal.env)
  const workspace = openWorkspace(home, parseUser(defaultUser))
  const tell = (what: string): void => {
    if (json !== true) printNotice(terminal, `${plainText(what)} …`)
  }
  return { home, env: terminal.env, config: loadConfig(home, workspace), tell }
}

/** @returns 0, or the exit code of a change that was taken back */
function sayChanged(report: UpgradeReport, options: ChangeOptions, terminal: Terminal, lost: readonly string[] = []): number {
  const { from, to, isSame, change, rehearsed = [], removed } = report
  const failure = change?.failure ?? null
  if (options.json === true) {
    const state = isSame ? 'same' : options.dryRun === true ? 'rehearsed' : change?.state
    printLine(terminal, JSON.stringify({ from, to, state, failure, rehearsed, removed, lost }))
    return failure === null ? 0 : exitOf('tool_failed')
  }
  if (isSame) printText(terminal, `Oxbow ${from} is the newest version there.`)
  for (const { user, steps, ms } of rehearsed)
    printText(
      terminal,
      plainText(
        `Tried on a copy of the store of ${user} in ${formatMs(ms)}: ${steps.length === 0 ? 'its tables stay as they are' : `steps ${steps.join(', ')}`}.`,
      ),
    )
  if (isSame || options.dryRun === true) return 0
  if (failure === null) {
    printText(terminal, `Oxbow is ${to} now. To go back: oxbow ${change?.kind === 'downgrade' ? `upgrade ${from}` : 'downgrade'}`)
    if (removed.length > 0) printText(terminal, `Removed: ${removed.join(', ')}.`)
    return 0
  }
  const back = change?.state === 'returned' ? `${from} is back.` : `The way back to ${from} failed, too.`
  return printFailure(terminal, {
    code: 'tool_failed',
    message: `${to} did not work (${failure.step}): ${failure.message} ${back}`,
    hint: 'oxbow logs may say more. Nothing that was written is lost.',
  })
}
