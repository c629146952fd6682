export { changeFile, changeText, grantRight, hasRight, replaceConfig, valueOf } from './config-file.ts'
export { checkConfigChange, checkConfigText, configFiles, draftConfig, loadConfig, readConfigFile, readLayer } from './config-layers.ts'
export { chooseEmbedder } from './embedders/choose-embedder.ts'
export { listEmbedders, pullEmbedder } from './embedders/embed-models.ts'
export { countFolderSkills } from './skill-files.ts'
export { findGuest } from './find-guest.ts'
export {
  addFolder,
  assertAddable,
  findFolder,
  hasDotFolder,
  sharedPathOf,
  unseenFolder,
  listFolders,
  removeFolder,
  whyHidden,
} from './folders.ts'
export {
  askOffline,
  checkIsolation,
  checkStartOf,
  ensureGuest,
  type GuestSetup,
  loadPlugins,
  type PluginsOfHome,
  type RunningGuest,
} from './guest.ts'
export { fallbackNotice, loadLastGood } from './good-config.ts'
export { assertListens, checkHost, checkPort, type HostCheck } from './host-checks.ts'
export { markUse, waitForOthers } from './guest-users.ts'
export { beginGuest, type BegunGuest, type GuestProgram } from './begin-guest.ts'
export { hasWorkspace, lockPath, makeFolder, openHome, openWorkspace, parseUser, usersFolder, usersOf } from './home.ts'
export type { Home, HostEnv, Workspace } from './home.ts'
export { beginKeyChange, endKeyChange, makeMasterKeys, masterKeys, type KeyPlace, takeKeyFile, type TakenKey } from './master-keys.ts'
export { createExportHeads } from './heads/export-heads.ts'
export { backupRoot, fileKeys, readSeal, signExport } from './heads/head-signing.ts'
export { readDefinitionTable, writeDefinition } from './definition-files.ts'
export type { StagedPlugin } from './plugins/install.ts'
