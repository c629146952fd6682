export { changeFile, type ConfigWrite, movedText, movesIn, replaceConfigs } from './config/config-file.ts'
export { assertKnownVersion, configVersion } from './config/config-versions.ts'
export { grantRight, hasRight } from './config/config-rights.ts'
export { changeText } from './config/toml-change.ts'
export { configFileIn, configFiles, draftConfig, type Layer, loadConfig, mergeLayers, readLayers } from './config/config-layers.ts'
export {
  checkConfigChange,
  checkConfigText,
  fileSchema,
  lineOfKey,
  quotedKey,
  readConfigFile,
  readLayer,
  uncheckedLayer,
  valueOf,
} from './config/config-text.ts'
export { chooseEmbedder } from './embedders/choose-embedder.ts'
export { listEmbedders, pullEmbedder } from './embedders/embed-models.ts'
export { countFolderSkills } from './skill-files.ts'
export { findGuest } from './find-guest.ts'
export {
  addFolder,
  addShare,
  assertAddable,
  findFolder,
  hasDotFolder,
  sharedPathOf,
  unseenFolder,
  listFolders,
  removeFolder,
  whyHidden,
} from './folders.ts'
export { askOffline, checkIsolation, checkStartOf, ensureGuest, type GuestSetup, type RunningGuest } from './guest.ts'
export { loadArchives, loadPlugins, loadRest, loadServerPrograms, loadUpgrade, type PluginsOfHome } from './packages/loaded-later.ts'
export { configOfKept, fallbackNotice, type KeptConfig, keptConfigs, loadLastGood } from './config/good-config.ts'
export { daemonFlags } from './daemon/limits.ts'
export type { Rest } from './daemon/guest-rest.ts'
export { askDaemon } from './daemon/control-client.ts'
export { type ControlPlace, controlPlaceOf, isAdministrator } from './daemon/daemon-place.ts'
export { addUser, removeUser } from './daemon/user-changes.ts'
export { openSettings } from './daemon/user-settings.ts'
export { configToStart } from './config/start-config.ts'
export { logFolders } from './shown-log.ts'
export { checkHome } from './home-checks.ts'
export { keepGuest } from './keep-guest.ts'
export { chosenWorkspace, defaultSpace, hasOpenMoves, isSpace, spaceOf, workspaceName } from './spaces/space-names.ts'
export {
  claimMove,
  doneMoves,
  endMove,
  forgetsMoves,
  freePath,
  leftMoves,
  moveFiles,
  sharedFile,
  sharedNames,
  type SpaceMove,
  writeMove,
} from './spaces/space-moves.ts'
export { sharedWith, spaceViews } from './spaces/space-view.ts'
export { addMemoryShares, dropMemoryShares, hasMemoryShares, memoryShares, type MemoryShare, sharedAs } from './spaces/space-shares.ts'
export {
  assertKnown,
  assertOpen,
  findSpace,
  newSpace,
  setArchived,
  type Space,
  spacesOf,
  spaceWorkspace,
  suggestSpace,
  useSpace,
} from './spaces/space-list.ts'
export { isSame, livingNote, noteOf, serverFile, type ServerNote, serverOf, writeNote } from './process-note.ts'
export { assertListens, checkHost, checkPort, type HostCheck } from './host-checks.ts'
export { markUse, waitForOthers } from './guest-users.ts'
export { beginGuest, beginSpare, type BegunGuest, type GuestProgram } from './begin-guest.ts'
export { hasWorkspace, homeRoot, lockPath, makeFolder, openHome, openWorkspace, parseUser, usersFolder, usersOf } from './home.ts'
export type { Home, HostEnv, Workspace } from './home.ts'
export {
  beginKeyChange,
  endKeyChange,
  keyFileText,
  makeArchiveKey,
  makeMasterKeys,
  masterKeys,
  type KeyPlace,
  keyPlaceOf,
  takeKeyFile,
  type TakenKey,
} from './master-keys.ts'
export { createExportHeads } from './heads/export-heads.ts'
export { backupRoot, fileKeys } from './heads/head-signing.ts'
export { sealOf, signExportOf } from './system/own-seal.ts'
export { readDefinitionTable, writeDefinition, writePlainDefinition } from './definition-files.ts'
export type { StagedPlugin } from './plugins/install.ts'
export { changeNotice } from './upgrade/change.ts'
export type { UpgradeReport } from './upgrade/upgrade.ts'
