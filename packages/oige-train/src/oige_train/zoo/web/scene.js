// Draws one world with three.js.

import * as THREE from "three";
import { OrbitControls } from "./OrbitControls.js";

const FLOOR = 400; // m; size of the ground that is drawn
const SHADOWS = 4; // m around the robot

export class Scene {
  /**
   * @param canvas where to draw
   * @param geometry description of the geometry
   * @param pack the task's arrays
   * @param data MuJoCo's data
   */
  constructor(canvas, geometry, pack, data) {
    THREE.Object3D.DEFAULT_UP.set(0, 0, 1);
    this.geometry = geometry;
    this.data = data;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true });
    this.renderer.outputColorSpace = THREE.LinearSRGBColorSpace; // colours are used as they are
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = THREE.PCFShadowMap;
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color(...geometry.sky);
    this.camera = new THREE.PerspectiveCamera(45, 1, 0.01, 500);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.maxPolarAngle = 0.49 * Math.PI;
    this.bodies = [];
    this.soft = [];
    this.last = null;
    this.addLights();
    if (geometry.ground) this.addGround(geometry.ground);
    geometry.shapes.forEach((shape, number) => this.addShape(shape, number, pack));
    geometry.soft.forEach((shape, number) => this.addSoft(shape, pack.get(`soft.${number}.faces`)));
    this.look();
  }

  addLights() {
    const { ambient, headlight, sunlight } = this.geometry.lights;
    this.scene.add(new THREE.AmbientLight(0xffffff, Math.PI * ambient));
    this.headlight = new THREE.DirectionalLight(0xffffff, Math.PI * headlight);
    this.sun = new THREE.DirectionalLight(0xffffff, Math.PI * sunlight);
    this.sun.castShadow = true;
    const reach = Math.max(1, Math.min(SHADOWS, 2.5 * this.geometry.radius));
    Object.assign(this.sun.shadow.camera, { left: -reach, right: reach, top: reach, bottom: -reach, near: 0.1, far: 60 });
    this.sun.shadow.mapSize.set(2048, 2048);
    this.sun.shadow.bias = -0.0005;
    this.sun.shadow.normalBias = 0.01;
    this.scene.add(this.headlight, this.headlight.target, this.sun, this.sun.target);
  }

  addGround({ height, color }) {
    const { tile, shade } = this.geometry;
    const pixels = new Uint8Array(16);
    for (let i = 0; i < 4; i++) {
      const bright = i === 0 || i === 3 ? 1 : shade;
      pixels.set([...color.map((each) => Math.round(255 * each * bright)), 255], 4 * i);
    }
    const texture = new THREE.DataTexture(pixels, 2, 2);
    texture.wrapS = texture.wrapT = THREE.RepeatWrapping;
    texture.repeat.set(FLOOR / (2 * tile), FLOOR / (2 * tile));
    texture.generateMipmaps = true;
    texture.minFilter = THREE.LinearMipmapLinearFilter;
    texture.anisotropy = 8;
    texture.needsUpdate = true;
    const ground = new THREE.Mesh(new THREE.PlaneGeometry(FLOOR, FLOOR), new THREE.MeshLambertMaterial({ map: texture }));
    ground.position.z = height;
    ground.receiveShadow = true;
    this.scene.add(ground);
    this.scene.fog = new THREE.Fog(this.scene.background, 20, 90);
  }

  addShape(shape, number, pack) {
    let geometry = new THREE.BufferGeometry();
    const vertices = pack.get(`mesh.${number}.vertices`);
    geometry.setAttribute("position", new THREE.BufferAttribute(vertices, 3));
    geometry.setIndex(new THREE.BufferAttribute(pack.get(`mesh.${number}.faces`), 1));
    const material = this.material(shape.color, !shape.smooth);
    if (shape.texture) {
      const [rows, columns] = shape.texture;
      const rgb = pack.get(`mesh.${number}.texture`);
      const pixels = new Uint8Array(4 * rows * columns).fill(255);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const from = 3 * (row * columns + column); // the first row is at the top
          pixels.set(rgb.subarray(from, from + 3), 4 * ((rows - 1 - row) * columns + column));
        }
      }
      material.map = new THREE.DataTexture(pixels, columns, rows);
      material.map.magFilter = material.map.minFilter = THREE.LinearFilter;
      material.map.needsUpdate = true;
      material.color.set(1, 1, 1);
      geometry.computeBoundingBox();
      const { min, max } = geometry.boundingBox;
      const uv = new Float32Array((2 * vertices.length) / 3);
      for (let i = 0; i < uv.length / 2; i++) {
        uv[2 * i] = (vertices[3 * i] - min.x) / (max.x - min.x);
        uv[2 * i + 1] = (vertices[3 * i + 1] - min.y) / (max.y - min.y);
      }
      geometry.setAttribute("uv", new THREE.BufferAttribute(uv, 2));
    }
    if (shape.smooth) geometry.computeVertexNormals();
    const mesh = new THREE.Mesh(geometry, material);
    mesh.castShadow = shape.body !== null && shape.color[3] > 0.9;
    mesh.receiveShadow = true;
    this.scene.add(mesh);
    if (shape.body !== null) this.bodies.push([mesh, shape.body]);
  }

  addSoft(shape, faces) {
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(3 * shape.count), 3));
    geometry.setIndex(new THREE.BufferAttribute(faces, 1));
    const mesh = new THREE.Mesh(geometry, this.material(shape.color, false));
    mesh.material.side = THREE.DoubleSide;
    mesh.frustumCulled = false;
    mesh.castShadow = mesh.receiveShadow = true;
    this.scene.add(mesh);
    this.soft.push([geometry, shape]);
  }

  material([red, green, blue, opacity], flatShading) {
    return new THREE.MeshPhongMaterial({
      color: new THREE.Color(red, green, blue), opacity, transparent: opacity < 1, flatShading, specular: 0x111111,
    });
  }

  robotPosition() {
    const { robot } = this.geometry;
    return robot === null ? new THREE.Vector3() : new THREE.Vector3(...this.data.xpos.subarray(3 * robot, 3 * robot + 3));
  }

  /** Place the camera as it is at first. */
  look() {
    const at = this.robotPosition();
    const distance = Math.max(0.4, 3.2 * this.geometry.radius);
    this.controls.target.copy(at);
    this.camera.position.copy(at).add(new THREE.Vector3(-0.7, -0.75, 0.45).multiplyScalar(distance));
    this.last = at;
  }

  /** Draw the current state. */
  draw() {
    const { xpos, xquat } = this.data;
    for (const [mesh, body] of this.bodies) {
      mesh.position.set(xpos[3 * body], xpos[3 * body + 1], xpos[3 * body + 2]);
      mesh.quaternion.set(xquat[4 * body + 1], xquat[4 * body + 2], xquat[4 * body + 3], xquat[4 * body]);
    }
    for (const [geometry, { first, count }] of this.soft) {
      geometry.attributes.position.array.set(this.data.flexvert_xpos.subarray(3 * first, 3 * (first + count)));
      geometry.attributes.position.needsUpdate = true;
      geometry.computeVertexNormals();
    }
    const at = this.robotPosition();
    const moved = at.clone().sub(this.last); // the camera follows the robot
    this.controls.target.add(moved);
    this.camera.position.add(moved);
    this.last = at;
    this.controls.update();
    const sun = new THREE.Vector3(...this.geometry.sun).normalize().multiplyScalar(-20);
    this.sun.target.position.copy(at);
    this.sun.position.copy(at).add(sun);
    this.headlight.position.copy(this.camera.position);
    this.headlight.target.position.copy(this.controls.target);
    this.resize();
    this.renderer.render(this.scene, this.camera);
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.renderer.domElement;
    const ratio = Math.min(window.devicePixelRatio, 2);
    if (this.width === width && this.height === height && this.ratio === ratio) return;
    Object.assign(this, { width, height, ratio });
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
  }
}
