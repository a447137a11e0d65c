//! Features of pictures in binary PPM or PGM files, a line of numbers for each row:   features ENCODER.curricle PICTURE …
//!
//!     rustc -O features.rs -L /usr/local/lib -l curricle

use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::ffi::{c_char, c_int, c_void, CStr};
use std::process::ExitCode;

const ALIGNMENT: usize = 128; // CURRICLE_ALIGNMENT

#[repr(C)]
struct Encoder([u64; 32]);

#[repr(C)]
#[derive(Default)]
struct Shape { size: usize, images: u32, height: u32, width: u32, channels: u32, patch: u32, pool: u32, rows: u32, row_width: u32 }

extern "C" {
    fn curricle_open(encoder: *mut Encoder, bytes: *const c_void, size: usize, options: *const c_void) -> c_int;
    fn curricle_arena_bytes(encoder: *const Encoder) -> usize;
    fn curricle_shape_of(encoder: *const Encoder, shape: *mut Shape) -> c_int;
    fn curricle_run_n(encoder: *const Encoder, arena: *mut c_void, rgb8: *const u8, count: usize, output: *mut f32) -> c_int;
    fn curricle_resize_crop_workspace(out_width: i32, out_height: i32, width: i32, height: i32, channels: i32) -> usize;
    fn curricle_resize_crop(output: *mut u8, out_width: i32, out_height: i32, input: *const u8, stride: isize, width: i32, height: i32,
                            channels: i32, workspace: *mut c_void) -> c_int;
    fn curricle_status_text(status: c_int) -> *const c_char;
}

/// Zeroed memory aligned as the arena must be, given back with its owner.
struct Memory { place: *mut u8, layout: Layout }
impl Memory {
    fn new(bytes: usize) -> Memory {
        let layout = Layout::from_size_align(bytes.max(1), ALIGNMENT).expect("a size");
        let place = unsafe { alloc_zeroed(layout) };
        if place.is_null() { std::alloc::handle_alloc_error(layout) }
        Memory { place, layout }
    }
}
impl Drop for Memory {
    fn drop(&mut self) { unsafe { dealloc(self.place, self.layout) } }
}

fn check(status: c_int, name: &str) -> Result<(), String> {
    if status == 0 { return Ok(()) }
    Err(format!("{name}: {}", unsafe { CStr::from_ptr(curricle_status_text(status)) }.to_string_lossy()))
}
fn contents(path: &str) -> Result<Vec<u8>, String> { std::fs::read(path).map_err(|error| format!("{path}: {error}")) }

/// A picture made to fit: [height, width, channels] of the encoder into `pixels`.
fn read_picture(path: &str, shape: &Shape, pixels: &mut [u8]) -> Result<(), String> {
    let file = contents(path)?;
    // Kind, width, height and the largest value, words with one space behind each.
    let (mut words, mut start) = (Vec::new(), 0);
    while words.len() < 4 {
        let length = file[start..].iter().position(u8::is_ascii_whitespace).ok_or(format!("{path}: is no binary PPM or PGM file"))?;
        words.push(String::from_utf8_lossy(&file[start..start + length]).into_owned());
        start += length + 1;
    }
    let channels = match (words[0].as_str(), words[3].as_str()) {
        ("P6", "255") => 3,
        ("P5", "255") => 1,
        _ => return Err(format!("{path}: is no binary PPM or PGM file of 8 bits")),
    };
    if channels != shape.channels as i32 { return Err(format!("{path}: has not the encoder's number of channels")) }
    let (width, height): (i32, i32) = (words[1].parse().unwrap_or(0), words[2].parse().unwrap_or(0));
    let bytes = unsafe { curricle_resize_crop_workspace(shape.width as i32, shape.height as i32, width, height, channels) };
    if bytes == 0 || file.len() - start < width as usize * height as usize * channels as usize {
        return Err(format!("{path}: has an impossible size"))
    }
    let workspace = Memory::new(bytes);
    check(unsafe {
        curricle_resize_crop(pixels.as_mut_ptr(), shape.width as i32, shape.height as i32, file[start..].as_ptr(),
                             width as isize * channels as isize, width, height, channels, workspace.place.cast())
    }, path)
}

fn print_features(program: &str, pictures: &[String]) -> Result<(), String> {
    let file = contents(program)?;
    let bytes = Memory::new(file.len()); // on a device: mapped, or where it lies in flash
    unsafe { std::ptr::copy_nonoverlapping(file.as_ptr(), bytes.place, file.len()) };
    let mut encoder = Encoder([0; 32]);
    check(unsafe { curricle_open(&mut encoder, bytes.place.cast(), file.len(), std::ptr::null()) }, program)?;
    let mut shape = Shape { size: std::mem::size_of::<Shape>(), ..Default::default() };
    check(unsafe { curricle_shape_of(&encoder, &mut shape) }, program)?;
    let image = shape.height as usize * shape.width as usize * shape.channels as usize;
    let (width, outputs) = (shape.row_width as usize, shape.rows as usize * shape.row_width as usize);
    let arena = Memory::new(unsafe { curricle_arena_bytes(&encoder) });
    let mut features = vec![0f32; shape.images as usize * outputs];
    // As many pictures a run as the encoder was compiled for, or what is left of them.
    for here in pictures.chunks(shape.images as usize) {
        let mut pixels = vec![0u8; here.len() * image];
        for (path, place) in here.iter().zip(pixels.chunks_mut(image)) { read_picture(path, &shape, place)? }
        check(unsafe { curricle_run_n(&encoder, arena.place.cast(), pixels.as_ptr(), here.len(), features.as_mut_ptr()) }, "a run")?;
        for row in features[..here.len() * outputs].chunks(width) {
            println!("{}", row.iter().map(f32::to_string).collect::<Vec<_>>().join(" "));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() < 3 {
        eprintln!("usage: features ENCODER.curricle PICTURE.ppm …");
        return ExitCode::from(2);
    }
    match print_features(&arguments[1], &arguments[2..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => { eprintln!("features: {reason}"); ExitCode::from(1) }
    }
}
