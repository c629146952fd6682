export { controlCalls, describedPluginCalls } from './package/control-calls.ts'
/** Plugins and characters: what others write, made part of an agent. */
export { alikeNames } from './package/alike-names.ts'
export { isInside, manifestFile, maxManifestBytes, parseManifest, reservedNames, sdkVersion } from './package/manifest.ts'
export { agentNameOf, characterProblem, descriptionOf, elizaCharacter, promptOf } from './characters/character-agent.ts'
export { characterPrompt } from './characters/character-prompt.ts'
export { ownSecrets, takeSecrets, withSecrets } from './characters/character-secrets.ts'
export type { Knowledge, ReadCharacter } from './characters/character.ts'
export { readCharacter } from './characters/read-character.ts'
export { orderLoadable, orderPlugins } from './package/order.ts'
export { type ProposedManifest, proposeManifest } from './package/propose-manifest.ts'
export { compareRights, memoryTag, type RightChanges, rightEntries, rightLines } from './package/rights.ts'
export { type CheckedSettings, checkSettings, wrongSettingsSchema } from './package/settings-schema.ts'
export {
  fingerprint,
  maxSignatureBytes,
  type PackageKind,
  signatureFile,
  signatureFileOf,
  signerOf,
  signPackage,
} from './package/signature.ts'
export { createTreeCheck, hashOf, hashOfFiles, listTree, type TreeCheck, type TreeFile, treeHash } from './package/tree.ts'
export { createSpendCap } from './parts/part-request.ts'
export { createPluginParts, type PluginParts } from './parts/plugin-parts.ts'
export { pluginFiles } from './host/data-limit.ts'
export { createPluginHosts, type PluginHostDeps } from './host/hosts.ts'
export { keptExports, keptGuards } from './host/known-exports.ts'
export { conversationModels } from './parts/model-call.ts'
