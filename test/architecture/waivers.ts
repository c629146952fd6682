/** Exceptions from the rules, each with its reason. One that waives nothing is reported. */

import { maybePromises } from './maybe-promises.ts'
import { schemaTwins } from './schema-twins.ts'

export interface Waiver {
  readonly rule: string
  /** The file, or the folder, that the violation names. */
  readonly path: string
  /** Part of the violation's text that must be there, so that a waiver never covers more than it was given for. */
  readonly about: string
  readonly reason: string
}

export const waivers: readonly Waiver[] = [
  ...Object.entries(schemaTwins).flatMap(([path, types]) =>
    types.map(([type, reason]): Waiver => ({ rule: 'schema_twin', path, about: `: ${type} has`, reason })),
  ),
  ...Object.entries(maybePromises).flatMap(([path, types]) =>
    types.map(([type, reason]): Waiver => ({ rule: 'maybe_promise', path, about: `: ${type}: return`, reason })),
  ),
  ...(
    [
      ['file_too_long', 'lines'],
      ['forbidden_syntax', 'class'],
      ['mutable_module_state', 'line'],
    ] as const
  ).map(([rule, about]) => ({
    rule,
    path: 'src/engine/tokens/gpt-tokenizer.js',
    about,
    reason: 'generated from a package by scripts/make-tokenizer.ts',
  })),
  {
    rule: 'file_too_long',
    path: 'test/architecture/modules.ts',
    about: 'lines',
    reason: 'one table, read as a whole: a row for each module',
  },
  {
    rule: 'file_too_long',
    path: 'src/protocol/call-types.ts',
    about: 'lines',
    reason: 'generated from the schemas of the calls by scripts/generate-docs.ts',
  },
  {
    rule: 'past_public_api',
    path: 'src/sandbox/hands/hands-reply.ts',
    about: 'src/protocol/hands/hands-operations.ts',
    reason: 'a hundred schemas, made only where replies of hands are parsed: whoever starts without a sandbox does not make them',
  },
  {
    rule: 'past_public_api',
    path: 'src/memory/text/text-worker.ts',
    about: 'src/store/thread-priority.ts',
    reason: 'the public API of store loads both databases; a thread that reads texts must start fast and stay small',
  },
  {
    rule: 'computed_import',
    path: 'src/engine/ai-sdk/provider-package.ts',
    about: 'computed at run time',
    reason: 'the one place that loads what a configuration names; the name is held to the grammar of package names',
  },
  {
    rule: 'computed_import',
    path: 'src/sandbox/srt-tier.ts',
    about: 'computed at run time',
    reason: 'a package that only macOS needs, from the folder where the person installed it; the name is a constant',
  },
  {
    rule: 'computed_import',
    path: 'src/sandbox/bubblewrap/hands-program.ts',
    about: 'computed at run time',
    reason: 'the bundler is a development dependency: named plainly, it would become a part of the bundle itself',
  },
  {
    rule: 'computed_import',
    path: 'src/sdk/own-process.ts',
    about: 'computed at run time',
    reason: 'the guest is a program of its own in the build; a plain import would make it a part of the library',
  },
  {
    rule: 'computed_import',
    path: 'src/cli/store/audit-file.ts',
    about: 'computed at run time',
    reason: 'what checks exports shares no code with Oxbow and stays one file, next to the sources and next to the bundle',
  },
  {
    rule: 'leaves_source',
    path: 'src/cli/store/audit-file.ts',
    about: 'bin/oxbow-verify.js',
    reason: 'the same file',
  },
  {
    rule: 'computed_import',
    path: 'src/cli/web.ts',
    about: 'computed at run time',
    reason: "the bundler of the web application is a development dependency, like the hands program's",
  },
  {
    rule: 'forbidden_syntax',
    path: 'web/src/ui/states.tsx',
    about: 'class',
    reason: 'only a class can catch what a component throws: React has no other form',
  },
  {
    rule: 'computed_import',
    path: 'src/plugin-host/open-plugin.ts',
    about: 'computed at run time',
    reason: 'inside the sandbox: the one place that loads a plugin, by the path that its manifest names',
  },
  {
    rule: 'computed_import',
    path: 'src/eliza-host/load-plugins.ts',
    about: 'computed at run time',
    reason: 'the same for plugins of elizaOS, and for the `@elizaos/core` that they bring',
  },
  {
    rule: 'computed_import',
    path: 'src/hands/browser/chromium-launch.ts',
    about: 'computed at run time',
    reason: 'inside the sandbox a package is a folder that the launcher shows, at a place of its own',
  },
]
