/** The Debian package: everything below /usr/lib/oxbow, with the command, the manual and completions where Debian has them. */
import { createHash } from 'node:crypto'
import { arOf, gzipped, type PackedFile, type PackedLink, tarOf } from './archives.ts'

export interface DebianParts {
  readonly version: string
  /** Of Node: `x64`. */
  readonly arch: string
  readonly at: number
  /** Of the product, with paths below its root. */
  readonly files: readonly PackedFile[]
  readonly manual: Buffer
  /** Programs that are on the PATH. */
  readonly commands: readonly string[]
  readonly completions: Readonly<Record<'bash' | 'zsh' | 'fish', string>>
  readonly licence: string
  readonly changelog: string
  /** `Name <address>` of whoever answers for the package. */
  readonly maintainer: string
}

/** Who is named where nobody is: an address that mail cannot reach. */
export const noMaintainer = 'Oxbow maintainers <maintainers@oxbow.invalid>'
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

export function debianName(version: string, arch: string): string {
  return `oxbow_${debianVersion(version)}_${architectureOf(arch)}.deb`
}

/** A pre-release comes before its release: `1.0.0~rc.1`. */
const debianVersion = (version: string): string => version.replace('-', '~')

function architectureOf(arch: string): string {
  const found = architectures[arch]
  if (found === undefined) throw new Error(`Debian has no architecture ${arch}`)
  return found
}

export function debianPackage(parts: DebianParts): Buffer {
  const { at } = parts
  const files = dataFiles(parts)
  const links = parts.commands.map((name): PackedLink => ({ path: `usr/bin/${name}`, target: `../lib/oxbow/bin/${name}` }))
  const sums = files.map(({ path, content }) => `${createHash('md5').update(content).digest('hex')}  ${path}\n`).join('')
  const control = [
    { path: 'control', content: Buffer.from(controlText(parts, files)), isExecutable: false },
    { path: 'md5sums', content: Buffer.from(sums), isExecutable: false },
    ...Object.entries(maintainerScripts).map(([path, text]) => ({ path, content: Buffer.from(text), isExecutable: true })),
  ]
  return arOf(
    [
      { name: 'debian-binary', content: Buffer.from('2.0\n') },
      { name: 'control.tar.gz', content: gzipped(tarOf(control, at, './')) },
      { name: 'data.tar.gz', content: gzipped(tarOf(files, at, './', links)) },
    ],
    at,
  )
}

/** Debian compresses manuals and changelogs, and has licences in a file of its own. */
function dataFiles(parts: DebianParts): readonly PackedFile[] {
  const text = (path: string, content: string | Buffer): PackedFile => ({ path, content: Buffer.from(content), isExecutable: false })
  const product = parts.files.filter(({ path }) => !path.startsWith('share/man/') && path !== 'LICENSE')
  return [
    ...product.map((file) => ({ ...file, path: `usr/lib/oxbow/${file.path}` })),
    text('usr/share/man/man1/oxbow.1.gz', gzipped(parts.manual)),
    ...parts.commands
      .filter((name) => name !== 'oxbow')
      .map((name) => text(`usr/share/man/man1/${name}.1.gz`, gzipped(Buffer.from(shortManual(name, parts.at))))),
    text('usr/share/doc/oxbow/copyright', copyrightText(parts.licence)),
    text('usr/share/doc/oxbow/changelog.gz', gzipped(Buffer.from(changelogText(parts)))),
    text('usr/share/doc/oxbow/CHANGES.md.gz', gzipped(Buffer.from(parts.changelog))),
    text('usr/share/bash-completion/completions/oxbow', parts.completions.bash),
    text('usr/share/zsh/vendor-completions/_oxbow', parts.completions.zsh),
    text('usr/share/fish/vendor_completions.d/oxbow.fish', parts.completions.fish),
    text('usr/share/lintian/overrides/oxbow', overrides),
  ]
}

function controlText({ version, arch, maintainer }: DebianParts, files: readonly PackedFile[]): string {
  const kilobytes = files.reduce((sum, { content }) => sum + Math.ceil(content.length / 1_024), 0)
  return [
    'Package: oxbow',
    `Version: ${debianVersion(version)}`,
    `Architecture: ${architectureOf(arch)}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${kilobytes}`,
    'Depends: libc6 (>= 2.28), libgcc-s1, libstdc++6',
    'Recommends: bubblewrap, ca-certificates',
    'Section: utils',
    'Priority: optional',
    'Description: local-first operating system for AI agents',
    ' Oxbow lets AI agents do work on this machine without being trusted: an agent',
    ' can only ask, every request passes one gate, and the gate writes a journal',
    ' before it acts and after.',
    ' .',
    ' The package brings its own Node.js, and nothing is compiled or downloaded when',
    ' it is installed.',
    '',
  ].join('\n')
}

/**
 * What `oxbow service install --system` has made outside the package: the daemon stops before its files go, starts anew with another version's
 * files, and with `purge` all that root's daemon keeps goes too. Homes of persons are theirs.
 */
const isRunning = '[ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]'
const maintainerScripts: Readonly<Record<string, string>> = {
  postinst: `#!/bin/sh
set -e
if [ "$1" = configure ] && [ -n "$2" ] && ${isRunning}; then
  deb-systemd-invoke try-restart oxbow.service >/dev/null || true
fi
`,
  prerm: `#!/bin/sh
set -e
if [ "$1" = remove ] && ${isRunning}; then
  deb-systemd-invoke stop oxbow.service >/dev/null || true
fi
`,
  postrm: `#!/bin/sh
set -e
if [ "$1" = purge ]; then
  root="\${DPKG_ROOT:-}"
  rm -f "$root/etc/systemd/system/multi-user.target.wants/oxbow.service" "$root/etc/systemd/system/oxbow.service"
  rm -rf --one-file-system "$root/etc/oxbow" "$root/var/lib/oxbow"
  if ${isRunning}; then
    systemctl daemon-reload || true
  fi
fi
`,
}

/** In the form of deb-changelog(5). */
function changelogText({ version, at, maintainer }: DebianParts): string {
  const date = new Date(at * 1_000).toUTCString().replace('GMT', '+0000')
  return `oxbow (${debianVersion(version)}) stable; urgency=medium

  * What has changed is in /usr/share/doc/oxbow/CHANGES.md.gz.

 -- ${maintainer}  ${date}
`
}

function copyrightText(licence: string): string {
  const body = licence
    .trim()
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line}`))
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    'Upstream-Name: oxbow',
    '',
    'Files: *',
    'Copyright: the authors of Oxbow, and of the parts that it brings',
    'License: MIT',
    'Comment: Licences of Node.js and of the libraries in this package are in',
    ' /usr/lib/oxbow/THIRD-PARTY-LICENSES.txt.',
    '',
    'License: MIT',
    ...body,
    '',
  ].join('\n')
}

/** @throws Error for a command that has none */
function shortManual(name: string, at: number): string {
  const date = new Date(at * 1_000).toISOString().slice(0, 10)
  if (name === 'oxbowd') return daemonManual(date)
  if (name === 'oxbow-verify') return verifyManual(date)
  throw new Error(`${name} has no manual: write one in scripts/package/debian-package.ts`)
}

const daemonManual = (date: string): string => `.Dd ${date}
.Dt OXBOWD 1
.Os
.Sh NAME
.Nm oxbowd
.Nd keep the guests of Oxbow running
.Sh SYNOPSIS
.Nm
.Op Fl -system
.Sh DESCRIPTION
.Nm
keeps the guests of the users of a home running, or with
.Fl -system ,
as root, of the Unix users that were added with
.Ic oxbow user add .
.Ic oxbow service install
makes the system start it.
.Sh SEE ALSO
.Xr oxbow 1
`

const verifyManual = (date: string): string => `.Dd ${date}
.Dt OXBOW-VERIFY 1
.Os
.Sh NAME
.Nm oxbow-verify
.Nd check an exported journal of Oxbow
.Sh SYNOPSIS
.Nm
.Ar file
.Op Fl -key Ar file
.Sh DESCRIPTION
.Nm
checks a file that
.Ic oxbow audit export
wrote, with none of the code that wrote it: the chain of records, the contents of blobs, the signed heads, and the signed end.
.Sh EXIT STATUS
It is 0 if everything holds, 12 if something does not, and 2 for a wrong command line.
.Sh SEE ALSO
.Xr oxbow 1
`

/** What Debian's checks cannot know. */
const overrides = `# Node.js comes as its project builds it, with its own libraries, so that the same bytes run everywhere.
oxbow: embedded-library
oxbow: unstripped-binary-or-object
oxbow: hardening-no-pie
oxbow: hardening-no-fortify-functions
oxbow: shared-library-is-executable
# Programs of the product are started by path, by its own Node.
oxbow: script-not-executable
oxbow: executable-not-elf-or-script
# It is not built from a source package of Debian, and closes no bug there.
oxbow: initial-upload-closes-no-bugs
`
