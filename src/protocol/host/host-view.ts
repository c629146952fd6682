/** What terminals of the owner see of the host: plugins and servers that are installed or about to be, users and their guests. */
import { z } from 'zod'
import { logLevels, logRoles } from '../../base/index.ts'
import { jsonObjectSchema } from '../output-schema.ts'

const lines = z.array(z.string()).readonly()

const aboutPlugin = {
  plugin: z.string(),
  version: z.string(),
  description: z.string(),
  source: z.string().describe('A path of the host, or `npm:NAME@VERSION`.'),
  integrity: z.string().describe('Of a package of npm, as npm has it; else empty.'),
  hash: z.string().describe('Over all of its files.'),
  signed_by: z.string().describe('Fingerprint of the key that has signed all of its files; empty: nobody has.'),
  needs: lines.describe('Plugins that are loaded before it.'),
  may: lines.describe('Its rights, for people, one a line.'),
}

export const installedPlugin = z.strictObject({
  ...aboutPlugin,
  approved_by: z.string(),
  approved_at: z.number().describe('Unix milliseconds.'),
  enabled: z.boolean(),
  granted: z.boolean().describe('Whether the agent of the configuration may use it.'),
  problem: z.string().describe('Why guests do not load it, for people; empty: they do, or it is disabled.'),
})
export type InstalledPlugin = z.infer<typeof installedPlugin>

export const stagedPluginView = z.strictObject({
  ...aboutPlugin,
  files: z.int(),
  bytes: z.int(),
  packages: z.int().describe('Of a package of npm: how many others come along.'),
  with_scripts: lines.describe('Packages whose scripts are not run.'),
  installed: z.string().describe('The installed version; empty: it is new.'),
  same: z.boolean().describe('The installed version has the same files, from the same source.'),
  added: lines.describe('Rights that the installed version does not have.'),
  removed: lines,
  reasons: lines.describe('Why a person has to approve it; empty: its author has signed it, and it may do nothing new.'),
  alike: lines.describe('Other names that look like its own.'),
})
export type StagedPluginView = z.infer<typeof stagedPluginView>

export const pluginChanges = ['enable', 'disable', 'remove', 'revert', 'grant'] as const
export type PluginChange = (typeof pluginChanges)[number]

/** For a package without a manifest. */
export const pluginProposal = z.strictObject({
  manifest: z.string().describe('A manifest for the package, as JSON: what its files seem to need.'),
  files: z.int(),
  bytes: z.int(),
  found: z.record(z.string(), lines).describe('What its files name: builtins, packages, settings, secrets and hosts.'),
})
export type PluginProposal = z.infer<typeof pluginProposal>

const lockedPackage = z.strictObject({
  name: z.string(),
  version: z.string(),
  integrity: z.string(),
  has_scripts: z.boolean().describe('It has an install script, which is not run.'),
})
export type LockedPackage = z.infer<typeof lockedPackage>

export const serverPackages = z.strictObject({
  packages: z.array(lockedPackage).readonly(),
  digest: z.string().describe('Over all of them, with what pins each.'),
})
export type ServerPackages = z.infer<typeof serverPackages>

export const installedServer = z.strictObject({
  command: z.string(),
  args: lines,
  program_folder: z.string(),
  lock: z.string(),
})
/** Settings of a server whose program has just been installed. */
export type InstalledServer = z.infer<typeof installedServer>

export const foundServer = z.strictObject({
  server: z.string(),
  file: z.string(),
  command: z.string().describe('Empty: it is reached at `url`.'),
  args: lines,
  url: z.string(),
  env: z
    .record(z.string(), z.string())
    .describe('Of variables and headers only those values are there that name a secret; the others are empty.'),
  headers: z.record(z.string(), z.string()),
})
/** An MCP server in a file of another program. */
export type FoundServer = z.infer<typeof foundServer>

export const hostUser = z.strictObject({
  user: z.string(),
  state: z.enum(['running', 'stopped']),
  by: z.enum(['service', 'terminal', 'nobody']).describe('What the guest belongs to: `service` outlives terminals.'),
  pid: z.int().nullable(),
  address: z.string().describe('Of its gateway; empty: it does not run.'),
  is_you: z.boolean(),
})
export type HostUser = z.infer<typeof hostUser>

const sharedItem = z.strictObject({
  from: z.string().describe('The space that shares it.'),
  folder: z.string().describe('As agents see it; empty: a memory.'),
  memory: z.string().describe('Its id there; empty: a folder.'),
  copy: z.string().describe('Its id here.'),
  read_only: z.boolean(),
})
export type SharedItem = z.infer<typeof sharedItem>

export const spaceView = z.strictObject({
  space: z.string(),
  user: z.string().describe('Its workspace.'),
  is_here: z.boolean().describe('It is the one that was asked.'),
  in_use: z.boolean().describe('Verbs use it that name no other.'),
  archived: z.boolean(),
  running: z.boolean(),
  about: z.string(),
  words: z.array(z.string()).readonly().describe('Words that suggest it.'),
  paths: z.array(z.string()).readonly().describe('Folders that suggest it.'),
  created_at: z.number().describe('Unix milliseconds; 0: not known.'),
  shared: z.array(sharedItem).readonly().describe('What other spaces share with it.'),
  file_bytes: z.number().nullable().describe('Of `/shared`; null: too many files to add up.'),
  store_bytes: z.number().nullable().describe('Of its store, versions and branches; null as before.'),
})
export type SpaceView = z.infer<typeof spaceView>

// Logs, wherever they are shown: by verbs, pages and the control socket.

export const logWish = z.strictObject({
  lines: z.int().min(1).max(5_000).default(200).describe('How many of the newest; fewer where they are long.'),
  role: z.array(z.enum(logRoles)).max(logRoles.length).default([]).describe('Whose lines. Empty: all.'),
  level: z.enum(logLevels).default('info').describe('Lines of this level and of more urgent ones.'),
  since: z.number().min(0).default(0).describe('Unix milliseconds.'),
  turn: z.string().max(64).default('').describe('Beginning of the id of a turn. Empty: all lines.'),
})
export type LogWish = z.infer<typeof logWish>

export const shownLogLine = z.strictObject({
  time: z.string().describe('ISO 8601, in UTC.'),
  level: z.enum(logLevels),
  role: z.enum(logRoles),
  msg: z.string(),
  session: z.string().optional(),
  turn: z.string().optional(),
  call: z.string().optional(),
  more: jsonObjectSchema().describe('What else it has.'),
})
export type ShownLogLine = z.infer<typeof shownLogLine>

export const logPage = z.strictObject({
  folder: z.string().describe('Where the files are.'),
  lines: z.array(shownLogLine).readonly().describe('The oldest first.'),
})
export type LogPage = z.infer<typeof logPage>
