import * as fs from 'node:fs/promises';
import { BMFF, JPEG, PNG } from '@trustnxt/c2pa-ts/asset';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import { ManifestStore, ValidationResult } from '@trustnxt/c2pa-ts/manifest';
const told = [];
for (const name of process.argv.slice(2)) {
  const data = await fs.readFile(name);
  const kind = [JPEG, PNG, BMFF].find((one) => one.canRead(data));
  let result;
  try {
    const asset = new kind(data);
    result = await ManifestStore.read(SuperBox.fromBuffer(asset.getManifestJUMBF())).validate(asset);
  } catch (error) {
    result = ValidationResult.fromError(error);
  }
  told.push({ name, valid: result.isValid, codes: result.statusEntries.map((one) => [one.code, one.success]) });
}
console.log(JSON.stringify(told));
