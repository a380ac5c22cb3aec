'use strict';

// A plugin of the Serverless Framework 3 and osls 4. Before a service is
// packaged it runs `layerbuild build`, and gives the service's layers the
// archives that come out.

const { spawn } = require('child_process');
const fs = require('fs');
const path = require('path');
const readline = require('readline');

const configSchema = {
  type: 'object',
  properties: {
    layerbuild: {
      type: 'object',
      properties: {
        bin: { type: 'string' },
        config: { type: 'string' },
        layers: {
          anyOf: [
            { type: 'array', items: { type: 'string' } },
            { type: 'object', additionalProperties: { type: 'string' } },
          ],
        },
      },
      additionalProperties: false,
    },
  },
};

class LayerbuildPlugin {
  constructor(serverless, options, { log, progress }) {
    this.serverless = serverless;
    this.log = log;
    this.progress = progress;
    serverless.configSchemaHandler.defineCustomProperties(configSchema);
    this.hooks = {
      'before:package:createDeploymentArtifacts': () => this.buildLayers(),
    };
  }

  get service() {
    return this.serverless.service;
  }

  get settings() {
    return (this.service.custom && this.service.custom.layerbuild) || {};
  }

  // dir is the folder of serverless.yml, where all paths start.
  get dir() {
    return this.serverless.serviceDir;
  }

  error(message) {
    return new this.serverless.classes.Error(message, 'LAYERBUILD');
  }

  async buildLayers() {
    const wanted = this.wantedLayers();
    const progress = this.progress.get('layerbuild');
    progress.notice('Building layers');
    let archives;
    try {
      archives = await this.build([...new Set(wanted.values())]);
    } finally {
      progress.remove();
    }
    if (wanted.size === 0) {
      for (const [key, layer] of this.allLayers(archives)) wanted.set(key, layer);
    }
    for (const [key, layer] of wanted) {
      this.setArtifact(key, archives.filter((archive) => archive.layer === layer));
    }
    this.excludeFromFunctions(archives);
  }

  // wantedLayers maps the service's layers that are to be built to those of
  // layerbuild.yaml. Nothing in it stands for all of these.
  wantedLayers() {
    const wanted = new Map();
    for (const key of this.service.getAllLayers()) {
      const { path: folder, package: packaging } = this.service.getLayer(key);
      if (!folder && !(packaging && packaging.artifact)) wanted.set(key, key);
    }
    const named = this.settings.layers || [];
    if (Array.isArray(named)) for (const name of named) wanted.set(name, name);
    else for (const [key, name] of Object.entries(named)) wanted.set(key, name);
    return wanted;
  }

  // allLayers pairs what was built with the service's layers: with those that
  // name its archive already, or, where none does, with new ones.
  allLayers(archives) {
    const pairs = [];
    for (const key of this.service.getAllLayers()) {
      const { package: packaging } = this.service.getLayer(key);
      const artifact = packaging && packaging.artifact && path.resolve(packaging.artifact);
      const archive = archives.find(({ file }) => file === artifact);
      if (archive) pairs.push([key, archive.layer]);
    }
    if (pairs.length > 0) return pairs;
    for (const name of new Set(archives.map(({ layer }) => layer))) {
      if (this.service.getAllLayers().includes(name)) {
        throw this.error(
          `layers.${name} of serverless.yml has a path or an artifact of its own, and layerbuild.yaml has a layer of ` +
            `that name, too. Remove these from layers.${name} to use layerbuild's, or name in custom.layerbuild.layers ` +
            'the layers to build.'
        );
      }
      pairs.push([name, name]);
    }
    return pairs;
  }

  // setArtifact gives a layer of the service the archive that is for it. What
  // serverless.yml says of the layer stays.
  setArtifact(key, archives) {
    this.service.layers = this.service.layers || {};
    const layer = (this.service.layers[key] = this.service.layers[key] || {});
    const named = layer.package && layer.package.artifact && path.resolve(layer.package.artifact);
    const archive = archives.find(({ file }) => file === named) || this.fitting(key, layer, archives);
    layer.package = { artifact: path.relative(process.cwd(), archive.file) };
    layer.compatibleRuntimes = layer.compatibleRuntimes || archive.runtimes;
    layer.compatibleArchitectures = layer.compatibleArchitectures || archive.architectures;
    for (const field of ['description', 'licenseInfo']) {
      if (!layer[field] && archive[field]) layer[field] = archive[field];
    }
  }

  // fitting is the one of a layer's archives that is for what the layer in
  // serverless.yml says, or else for what the provider says.
  fitting(key, layer, archives) {
    if (archives.length === 1) return archives[0];
    const { runtime, architecture } = this.service.provider;
    const runtimes = layer.compatibleRuntimes || (runtime ? [runtime] : []);
    const architectures = layer.compatibleArchitectures || [architecture || 'x86_64'];
    const fitting = archives.filter(
      (archive) =>
        runtimes.every((name) => archive.runtimes.includes(name)) &&
        architectures.every((name) => archive.architectures.includes(name))
    );
    if (fitting.length === 1) return fitting[0];
    const list = archives.map(({ file }) => path.basename(file)).join(', ');
    throw this.error(
      `layers.${key}: layerbuild.yaml makes ${list} of it, and not exactly one of these is for ` +
        `${[...runtimes, ...architectures].join(', ')}. Say which one in layers.${key} of serverless.yml, ` +
        'with compatibleRuntimes and compatibleArchitectures.'
    );
  }

  // excludeFromFunctions keeps the archives out of the functions' zips.
  excludeFromFunctions(archives) {
    const excluded = new Set();
    for (const { file } of archives) {
      const folder = path.relative(this.dir, path.dirname(file)).split(path.sep);
      if (folder[0] === '..' || path.isAbsolute(folder[0])) continue;
      excluded.add(folder[0] === '.layerbuild' ? '!.layerbuild/**' : `!${folder.join('/')}/**`);
    }
    this.service.package.patterns = [...(this.service.package.patterns || []), ...excluded];
  }

  // build runs layerbuild and returns what it built: an archive for each
  // target, with the layer's name, runtimes, architectures and the zip.
  async build(layers) {
    const args = ['build', '--json'];
    if (this.settings.config) args.push('--config', path.resolve(this.dir, this.settings.config));
    const result = JSON.parse(await this.run([...args, ...layers]));
    const index = JSON.parse(await fs.promises.readFile(result.index, 'utf8'));
    for (const archive of result.layers) {
      this.log.info(`Layer ${archive.layer}: ${path.basename(archive.file)}${archive.hit ? ', from the cache' : ''}`);
      const entry = index.layers.find(({ file }) => file === path.basename(archive.file));
      archive.description = entry.description;
      archive.licenseInfo = entry.licenseInfo;
    }
    return result.layers;
  }

  run(args) {
    const [command, ...first] = this.program();
    return new Promise((resolve, reject) => {
      const child = spawn(command, [...first, ...args], { cwd: this.dir, stdio: ['ignore', 'pipe', 'pipe'] });
      let stdout = '';
      const said = [];
      child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
      readline.createInterface({ input: child.stderr }).on('line', (line) => {
        said.push(line);
        this.pass(line);
      });
      child.on('error', (error) => {
        const found = error.code === 'ENOENT' ? 'was not found' : `cannot be run: ${error.message}`;
        reject(
          this.error(
            `${command} ${found}. Install it (npm install --save-dev layerbuild), or say where it is: ` +
              'custom: {layerbuild: {bin: PATH}}'
          )
        );
      });
      child.on('close', (code, signal) => {
        if (code === 0) resolve(stdout);
        else reject(this.error(`layerbuild build failed (${signal || `exit code ${code}`}):\n\n${said.join('\n')}`));
      });
    });
  }

  // pass hands on a line that layerbuild says: to all its warnings, the rest
  // with --verbose.
  pass(line) {
    if (line.startsWith('layerbuild: warning:')) this.log.warning(line);
    else this.log.info(line);
  }

  // program is the command line of layerbuild: the configured one, that of the
  // npm package where the service has it, or what PATH finds.
  program() {
    const { bin } = this.settings;
    if (bin) return bin.includes('/') || bin.includes(path.sep) ? [path.resolve(this.dir, bin)] : [bin];
    let manifest;
    try {
      manifest = require.resolve('layerbuild/package.json', { paths: [this.dir, __dirname] });
    } catch (error) {
      return ['layerbuild'];
    }
    const script = path.resolve(path.dirname(manifest), JSON.parse(fs.readFileSync(manifest, 'utf8')).bin.layerbuild);
    return /\.[cm]?js$/.test(script) ? [process.execPath, script] : [script];
  }
}

module.exports = LayerbuildPlugin;
