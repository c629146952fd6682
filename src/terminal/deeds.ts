/**
 * What a person is asked before they change what guards them, and told afterwards. Verbs and pages take it from here, so that both ask the same.
 * `would` completes “Would …” of `--dry-run`, and is the question of a page.
 */
import { exactText, plural } from '../base/index.ts'
import type { StagedPluginView } from '../protocol/index.ts'
import { plainLine, plainText } from './terminal-text.ts'

/** Something that a person takes back or away. */
export interface Deed {
  readonly would: string
  /** What follows from it, and what stays; whole sentences. */
  readonly means: string
  readonly done: string
}

const nameChars = 100

const named = (name: string): string => plainLine(name, nameChars)

export function revokeKey(name: string): Deed {
  return {
    would: `revoke the key ${named(name)}`,
    means: 'The program that has it is signed out at once; what it has done stays in the journal.',
    done: 'Revoked; its connections are refused from now on.',
  }
}

export function removeRole(role: string): Deed {
  return { would: `remove the role ${named(role)}`, means: 'No key has it, so nobody loses a right.', done: 'Removed.' }
}

/** @param text the rule, as it was shown when it was learned */
export function revokeRule(text: string): Deed {
  return {
    would: `revoke the rule ${exactText(text)}`,
    means: 'Calls that it has allowed ask you again.',
    done: 'Revoked; such calls ask again.',
  }
}

export function removePattern(pattern: string, list: 'allow' | 'deny'): Deed {
  return {
    would: `remove ${plainLine(pattern, patternChars)} from the list ${list}`,
    means:
      list === 'allow' ? 'What only it has allowed is refused from now on.' : 'What it has denied runs where another pattern allows it.',
    done: `Removed: ${plainLine(pattern, patternChars)}`,
  }
}

const patternChars = 200

export function revokeTrust(paths: readonly string[]): Deed {
  const all = plainLine(paths.join(', '), trustChars)
  return {
    would: `take back the trust in ${all}`,
    means: 'Agents no longer follow it: it is data for them, until you trust it again.',
    done: `No longer trusted: ${all}`,
  }
}

const trustChars = 800

export function revokeDefinition(name: string): Deed {
  return {
    would: `take back the approval of ${name}`,
    means: 'It no longer counts, and agents that use it end. Its files stay.',
    done: `Revoked ${name}.`,
  }
}

export function removeServer(name: string, isConfigured: boolean): Deed {
  return isConfigured
    ? {
        would: `take back what is approved of the server ${named(name)}, which is one of config.toml and stays`,
        means: 'Its tools are not offered until you approve them again.',
        done: `${name} is one of config.toml and stays; nothing of it is approved any more.`,
      }
    : {
        would: `remove the server ${named(name)} and what was approved of it`,
        means: 'It ends, and its tools are not offered any more.',
        done: `Removed ${name}.`,
      }
}

export function removeRemote(name: string, isConfigured: boolean): Deed {
  return isConfigured
    ? {
        would: `take back the approval of the card of ${named(name)}, which is one of config.toml and stays`,
        means: 'It is not offered until you approve its card again.',
        done: `${name} is one of config.toml and stays; its card is not approved any more.`,
      }
    : {
        would: `remove the agent ${named(name)} and the approval of its card`,
        means: 'It is not offered any more. Tasks that it works on go on there.',
        done: `Removed ${name}.`,
      }
}

export function removeCoder(name: string, isConfigured: boolean): Deed {
  return isConfigured
    ? {
        would: `take back the approval of ${named(name)}, which is one of config.toml and stays`,
        means: 'It is not offered until you approve it again.',
        done: `${name} is one of config.toml and stays; it is not approved any more.`,
      }
    : {
        would: `remove the coding agent ${named(name)} and its approval; its branches of files stay`,
        means: 'It is not offered any more.',
        done: `Removed ${name}.`,
      }
}

export function removePlugin(name: string, version: string): Deed {
  return {
    would: `remove ${name} ${version} and its files`,
    means: 'Its actions, tasks and hooks end, and the agent loses the right to it. What it has written stays.',
    done: `Removed ${name}.`,
  }
}

export function removeProgram(name: string, version: string): Deed {
  return {
    would: `remove the program ${name} ${version}`,
    means: 'Its files go. Runs that have begun go on to their end; its schedules start it no more.',
    done: `Removed ${name}.`,
  }
}

export function clearPlugin(name: string): Deed {
  return {
    would: `empty what ${named(name)} keeps`,
    means: 'Everything in its /data and in its part of the store is gone for good, with the labels of what it was told.',
    done: `${name} keeps nothing any more.`,
  }
}

export function cancelRun(id: string, graph: string): Deed {
  return {
    would: `cancel the run ${id} of ${plainLine(graph, 40)}`,
    means: 'Everything that it runs ends. It can be resumed where it stopped.',
    done: `Cancelled ${id}.`,
  }
}

export function stopGoal(id: string): Deed {
  return {
    would: `end the goal ${id} with everything that works for it`,
    means: 'It cannot go on afterwards. Its best generation stays on its branch.',
    done: `Stopped ${id}.`,
  }
}

export const stopGuest: Deed = {
  would: 'stop Oxbow',
  means: 'Nothing runs until you start it in a terminal with oxbow start: no schedule, no channel, no page. Open turns continue then.',
  done: 'Oxbow has stopped.',
}

export const restartGuest: Deed = {
  would: 'restart Oxbow',
  means: 'It starts again within a second, with the configuration and secrets as they are now. Running turns continue afterwards.',
  done: 'Oxbow runs again.',
}

// What is looked at before a person agrees to it.

/** What came from others, and is approved as it was shown: its digest says what that was. */
export interface Agreement {
  readonly question: string
  /** Said where the answer is no. */
  readonly declined: string
}

/** Of servers, remote agents and coding agents. */
export const approveOffer = (name: string): Agreement => ({ question: `Approve what ${name} offers?`, declined: 'Nothing was approved.' })

export const approveDefinition = (name: string): Agreement => ({ question: `Approve ${name}?`, declined: 'Nothing was approved.' })

export const trustFiles = (name: string): Agreement => ({ question: `Let agents follow ${name}?`, declined: 'It stays data.' })

export const installPlugin = ({ reasons }: Pick<StagedPluginView, 'reasons'>): Agreement => ({
  question: `Install it?${reasons.length === 0 ? '' : ` (${reasons.join(', ')})`}`,
  declined: 'Nothing was installed.',
})

export const installServer: Agreement = { question: 'Install them?', declined: 'Nothing was installed.' }

export const grantPlugin = 'May your agent use it?'

/** A line, and what is listed below it. */
export type Part = readonly [line: string, below: readonly string[]]

/** @returns what a person sees of a plugin before it is installed */
export function pluginParts(plugin: StagedPluginView): readonly Part[] {
  const { added, removed } = plugin
  const list = (title: string, below: readonly string[]): readonly Part[] => (below.length === 0 ? [] : [[title, below]])
  const isNew = plugin.installed === ''
  const description = plugin.description === '' ? '' : `: ${plugin.description}`
  return [
    [`${plugin.plugin} ${plugin.version}${isNew ? '' : ` (installed: ${plugin.installed})`}${description}`, []],
    [`${plural(plugin.files, 'file')}, ${Math.ceil(plugin.bytes / 1024)} KiB, hash ${plugin.hash}`, []],
    ...(plugin.integrity === '' ? [] : ([[`npm integrity ${plugin.integrity}, with ${plugin.packages} other packages`, []]] as const)),
    ...list('Scripts of these packages are not run:', plugin.with_scripts),
    [signedText(plugin.signed_by), []],
    ...(plugin.needs.length === 0 ? [] : ([[`It needs ${plugin.needs.join(', ')}`, []]] as const)),
    ...(isNew
      ? [mayPart(plugin.may)]
      : [...list('It may do more than the installed version:', added), ...list('It may no longer:', removed)]),
    ...(!isNew && added.length + removed.length === 0 ? ([['It may do what the installed version may.', []]] as const) : []),
  ]
}

/** @param fingerprint of the key; empty: there is no signature */
export function signedText(fingerprint: string): string {
  return fingerprint === '' ? 'Nobody has signed it.' : `Signed by the key ${fingerprint}`
}

/** @param rights one a line */
export function mayPart(rights: readonly string[]): Part {
  return rights.length === 0 ? ['It may do nothing but compute.', []] : ['It may', rights]
}

export function alikeText(name: string, other: string): string {
  return `the name ${name} looks like ${other}, which is another one`
}

/** @returns the parts as text */
export function pluginText(parts: readonly Part[]): string {
  return plainText(parts.flatMap(([line, below]) => [line, ...below.map((each) => `  ${each}`)]).join('\n'))
}

export function dropBranch(name: string): Deed {
  return {
    would: `drop the branch ${named(name)} with everything that was changed in it`,
    means: 'Its files are gone for good. The workspace stays as it is.',
    done: `Dropped ${named(name)}.`,
  }
}

export const mergeBranch = (name: string): Agreement => ({
  question: `Merge ${named(name)} into the workspace, and drop it?`,
  declined: 'Nothing was merged.',
})

interface MergedFiles {
  readonly total: number
  /** Version before the merge; empty: nothing was merged. */
  readonly before: string
  /** Empty: it was only tried. */
  readonly after: string
}

const versionChars = 8

/** @returns how a merge of a branch has ended */
export function mergedText({ before, after, total }: MergedFiles): string {
  if (before === '') return 'Nothing was merged: both sides have changed the same places.'
  if (after === '')
    return total === 0 ? 'Would drop the branch: there is nothing to merge.' : `Would merge ${plural(total, 'file')}. Nothing is changed.`
  if (total === 0) return 'There was nothing to merge; the branch is dropped.'
  return `Merged ${plural(total, 'file')}. To take it back: oxbow restore / --to ${before.slice(0, versionChars)}`
}
