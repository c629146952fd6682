/** What the verbs of `oxbow plugin` use, in one piece that is loaded with the first of them. */
export {
  alikeNames,
  conversationModels,
  fingerprint,
  keptExports,
  keptGuards,
  proposeManifest,
  reservedNames,
  rightLines,
} from '../../plugins/index.ts'
export { checkFolder, newPlugin, signFolder, verifyInstalled } from './author.ts'
export { commitPlugin, discard, findPlugin, removePlugin, revertPlugin, stagePlugin, switchPlugin } from './install.ts'
export { listPlugins } from './installed-plugins.ts'
export { readLock, sealRestoredLock } from './lock-file.ts'
export { programsLock, sealRestoredPrograms } from '../programs/installed-programs.ts'
export { otherFiles, viewOfStaged } from './plugin-questions.ts'
